// An Intel GPU that is not there: answers what Mesa's ANV asks of the kernel's i915 driver and of libdrm, so that it opens a device,
// tells its limits and compiles for it. Nothing runs. INTEL_STUB_GPU_PLATFORM chooses the device. For .ci/vendor; preloaded.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xf86drm.h>
#include <i915_drm.h>

struct platform {
    const char *name;
    unsigned id, slices, subslices, units; // PCI device id; execution units of a subslice
    int local, revision;                   // memory of its own
};

static const struct platform platforms[] = {
    {"dg2", 0x56a0, 8, 4, 16, 1, 8}, {"bmg", 0xe20b, 5, 4, 8, 1, 0},  {"lnl", 0x64a0, 2, 4, 8, 0, 4},
    {"mtl", 0x7d55, 2, 8, 16, 0, 0}, {"tgl", 0x9a49, 1, 6, 16, 0, 3},
};

static const struct platform *gpu(void) {
    const char *wanted = getenv("INTEL_STUB_GPU_PLATFORM");
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++) {
        if (!strcmp(platforms[i].name, wanted ? wanted : "bmg")) return &platforms[i];
    }
    fprintf(stderr, "i915 shim: no platform '%s'\n", wanted);
    exit(2);
}

// The device node is one file in memory; buffers are ranges of it.
static const char *const nodes[] = {"/dev/dri/card0", "/dev/dri/renderD128"};
static int file = -1;
static uint64_t next_offset = 1 << 20;
static unsigned next_handle = 1;
static uint64_t offsets[1 << 16];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_node(const char *path) { return path && (!strcmp(path, nodes[0]) || !strcmp(path, nodes[1])); }

static int open_node(void) {
    pthread_mutex_lock(&lock);
    if (file < 0) {
        file = memfd_create("i915", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, 1ll << 36)) abort();
    }
    int copy = dup(file);
    pthread_mutex_unlock(&lock);
    return copy;
}

static int is_open_node(int fd) {
    char link[64], target[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = file < 0 ? -1 : readlink(link, target, sizeof target - 1);
    return n > 0 && n >= 11 && !strncmp(target, "/memfd:i915", 11);
}

#define OPEN(name)                                                                                  \
    int name(const char *path, int flags, ...) {                                                    \
        static int (*real)(const char *, int, ...);                                                 \
        mode_t mode = 0;                                                                            \
        if (is_node(path)) return open_node();                                                      \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                                       \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                        \
            va_list more;                                                                           \
            va_start(more, flags);                                                                  \
            mode = va_arg(more, mode_t);                                                            \
            va_end(more);                                                                           \
        }                                                                                           \
        return real(path, flags, mode);                                                             \
    }
OPEN(open)
OPEN(open64)
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }

int stat(const char *path, struct stat *s) {
    static int (*real)(const char *, struct stat *);
    if (is_node(path)) {
        memset(s, 0, sizeof *s);
        s->st_mode = S_IFCHR | 0666;
        s->st_rdev = makedev(226, path == nodes[1] || strstr(path, "render") ? 128 : 0);
        return 0;
    }
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "stat");
    return real(path, s);
}
int stat64(const char *path, struct stat64 *s) { return stat(path, (struct stat *)s); }

// libdrm: one PCI device.
static drmDevicePtr device(void) {
    static drmPciBusInfo bus = {0, 3, 0, 0};
    static drmPciDeviceInfo info;
    static char *names[DRM_NODE_MAX];
    drmDevicePtr d = calloc(1, sizeof *d);
    info = (drmPciDeviceInfo){.vendor_id = 0x8086, .device_id = gpu()->id, .subvendor_id = 0x8086, .subdevice_id = 1, .revision_id = gpu()->revision};
    names[DRM_NODE_PRIMARY] = (char *)nodes[0];
    names[DRM_NODE_RENDER] = (char *)nodes[1];
    d->nodes = names;
    d->available_nodes = 1 << DRM_NODE_PRIMARY | 1 << DRM_NODE_RENDER;
    d->bustype = DRM_BUS_PCI;
    d->businfo.pci = &bus;
    d->deviceinfo.pci = &info;
    return d;
}
int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int most) {
    (void)flags;
    if (devices && most > 0) devices[0] = device();
    return 1;
}
int drmGetDevices(drmDevicePtr devices[], int most) { return drmGetDevices2(0, devices, most); }
int drmGetDevice2(int fd, uint32_t flags, drmDevicePtr *d) { (void)fd; (void)flags; *d = device(); return 0; }
int drmGetDevice(int fd, drmDevicePtr *d) { return drmGetDevice2(fd, 0, d); }
int drmGetDeviceFromDevId(dev_t id, uint32_t flags, drmDevicePtr *d) { (void)id; return drmGetDevice2(0, flags, d); }
void drmFreeDevices(drmDevicePtr d[], int n) { (void)d; (void)n; }
void drmFreeDevice(drmDevicePtr *d) { *d = NULL; }
int drmDevicesEqual(drmDevicePtr a, drmDevicePtr b) { (void)a; (void)b; return 1; }
drmVersionPtr drmGetVersion(int fd) {
    (void)fd;
    drmVersionPtr v = calloc(1, sizeof *v);
    v->version_major = 1, v->version_minor = 6, v->name = "i915", v->name_len = 4, v->date = "", v->desc = "i915";
    return v;
}
void drmFreeVersion(drmVersionPtr v) { free(v); }
int drmGetCap(int fd, uint64_t name, uint64_t *value) { (void)fd; (void)name; *value = 1; return 0; }
int drmGetNodeTypeFromFd(int fd) { (void)fd; return DRM_NODE_RENDER; }
char *drmGetDeviceNameFromFd2(int fd) { (void)fd; return strdup(nodes[1]); }
char *drmGetRenderDeviceNameFromFd(int fd) { (void)fd; return strdup(nodes[1]); }

static unsigned new_buffer(uint64_t size) {
    pthread_mutex_lock(&lock);
    unsigned handle = next_handle++;
    offsets[handle & 0xffff] = next_offset;
    next_offset += (size + 0xffff) & ~0xffffull;
    pthread_mutex_unlock(&lock);
    return handle;
}

// An answer of so many bytes: the first question asks for the length alone. Null then.
static void *answer(struct drm_i915_query_item *item, int length) {
    if (!item->length) {
        item->length = length;
        return NULL;
    }
    return memset((void *)(uintptr_t)item->data_ptr, 0, length);
}

static void topology(struct drm_i915_query_item *item) {
    const struct platform *g = gpu();
    int slice_bytes = (g->slices + 7) / 8, subslice_bytes = (g->subslices + 7) / 8, unit_bytes = (g->units + 7) / 8;
    struct drm_i915_query_topology_info *t =
        answer(item, sizeof *t + slice_bytes + g->slices * subslice_bytes + g->slices * g->subslices * unit_bytes);
    if (!t) return;
    t->max_slices = g->slices, t->max_subslices = g->subslices, t->max_eus_per_subslice = g->units;
    t->subslice_offset = slice_bytes, t->subslice_stride = subslice_bytes;
    t->eu_offset = slice_bytes + g->slices * subslice_bytes, t->eu_stride = unit_bytes;
    for (unsigned s = 0; s < g->slices; s++) {
        t->data[s / 8] |= 1 << s % 8;
        for (unsigned u = 0; u < g->subslices; u++) {
            t->data[slice_bytes + s * subslice_bytes + u / 8] |= 1 << u % 8;
            for (unsigned e = 0; e < g->units; e++) t->data[t->eu_offset + (s * g->subslices + u) * unit_bytes + e / 8] |= 1 << e % 8;
        }
    }
}

static void engines(struct drm_i915_query_item *item) {
    struct drm_i915_query_engine_info *e = answer(item, sizeof *e + 2 * sizeof e->engines[0]);
    if (!e) return;
    e->num_engines = 2;
    e->engines[0].engine.engine_class = I915_ENGINE_CLASS_RENDER;
    e->engines[1].engine.engine_class = I915_ENGINE_CLASS_COPY;
}

static void regions(struct drm_i915_query_item *item) {
    int count = 1 + gpu()->local;
    struct drm_i915_query_memory_regions *m = answer(item, sizeof *m + count * sizeof m->regions[0]);
    if (!m) return;
    m->num_regions = count;
    m->regions[0].region.memory_class = I915_MEMORY_CLASS_SYSTEM;
    m->regions[0].probed_size = m->regions[0].unallocated_size = 16ull << 30;
    if (count > 1) {
        m->regions[1].region.memory_class = I915_MEMORY_CLASS_DEVICE;
        m->regions[1].probed_size = m->regions[1].unallocated_size = 12ull << 30;
        m->regions[1].probed_cpu_visible_size = m->regions[1].unallocated_cpu_visible_size = 12ull << 30;
    }
}

static void query(struct drm_i915_query *q) {
    struct drm_i915_query_item *item = (void *)(uintptr_t)q->items_ptr;
    for (unsigned i = 0; i < q->num_items; i++, item++) {
        switch (item->query_id) {
            case DRM_I915_QUERY_TOPOLOGY_INFO:
            case DRM_I915_QUERY_GEOMETRY_SUBSLICES: topology(item); break;
            case DRM_I915_QUERY_ENGINE_INFO: engines(item); break;
            case DRM_I915_QUERY_MEMORY_REGIONS: regions(item); break;
            default: item->length = -EINVAL;
        }
    }
}

static int parameter(int name) {
    const struct platform *g = gpu();
    switch (name) {
        case I915_PARAM_CHIPSET_ID: return g->id;
        case I915_PARAM_REVISION: return g->revision;
        case I915_PARAM_CS_TIMESTAMP_FREQUENCY: return 19200000;
        case I915_PARAM_HAS_ALIASING_PPGTT: return 3;
        case I915_PARAM_NUM_FENCES_AVAIL: return 8;
        case I915_PARAM_HAS_LLC: return !g->local;
        case I915_PARAM_MMAP_VERSION:
        case I915_PARAM_MMAP_GTT_VERSION: return 4;
        case I915_PARAM_SUBSLICE_TOTAL: return g->slices * g->subslices;
        case I915_PARAM_EU_TOTAL: return g->slices * g->subslices * g->units;
        case I915_PARAM_CMD_PARSER_VERSION: return 10;
        case I915_PARAM_PERF_REVISION: return 3;
        case I915_PARAM_SLICE_MASK: return (1 << g->slices) - 1;
        case I915_PARAM_SUBSLICE_MASK: return (1 << g->subslices) - 1;
        case I915_PARAM_HAS_USERPTR_PROBE: return 0;
        default: return 1;
    }
}

static void driver(int fd, unsigned command, void *p) {
    static uint64_t clock;
    switch (command) {
        case DRM_I915_GETPARAM: *((drm_i915_getparam_t *)p)->value = parameter(((drm_i915_getparam_t *)p)->param); break;
        case DRM_I915_QUERY: query(p); break;
        case DRM_I915_GEM_CREATE:
        case DRM_I915_GEM_CREATE_EXT: // begins with the same fields
            ((struct drm_i915_gem_create *)p)->handle = new_buffer(((struct drm_i915_gem_create *)p)->size);
            break;
        case DRM_I915_GEM_MMAP_GTT: ((struct drm_i915_gem_mmap_offset *)p)->offset = offsets[((struct drm_i915_gem_mmap_offset *)p)->handle & 0xffff]; break;
        case DRM_I915_GEM_MMAP: {
            struct drm_i915_gem_mmap *m = p;
            m->addr_ptr = (uintptr_t)mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offsets[m->handle & 0xffff] + m->offset);
            break;
        }
        case DRM_I915_GEM_USERPTR: ((struct drm_i915_gem_userptr *)p)->handle = new_buffer(((struct drm_i915_gem_userptr *)p)->user_size); break;
        case DRM_I915_GEM_CONTEXT_CREATE: ((struct drm_i915_gem_context_create *)p)->ctx_id = 1; break;
        case DRM_I915_GEM_CONTEXT_GETPARAM: {
            struct drm_i915_gem_context_param *c = p;
            c->value = c->param == I915_CONTEXT_PARAM_GTT_SIZE ? 1ull << 48 : 0;
            break;
        }
        case DRM_I915_GEM_GET_APERTURE: ((struct drm_i915_gem_get_aperture *)p)->aper_size = ((struct drm_i915_gem_get_aperture *)p)->aper_available_size = 1ull << 48; break;
        case DRM_I915_GEM_VM_CREATE: ((struct drm_i915_gem_vm_control *)p)->vm_id = 1; break;
        case DRM_I915_REG_READ: ((struct drm_i915_reg_read *)p)->val = clock += 1000; break;
    }
}

int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, ...);
    va_list more;
    va_start(more, request);
    void *p = va_arg(more, void *);
    va_end(more);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    if (_IOC_TYPE(request) != DRM_IOCTL_BASE || !is_open_node(fd)) return real(fd, request, p);
    unsigned number = _IOC_NR(request);
    if (number >= DRM_COMMAND_BASE && number < DRM_COMMAND_END) {
        driver(fd, number - DRM_COMMAND_BASE, p);
        return 0;
    }
    switch (request) {
        case DRM_IOCTL_PRIME_HANDLE_TO_FD: ((struct drm_prime_handle *)p)->fd = dup(fd); break;
        case DRM_IOCTL_PRIME_FD_TO_HANDLE: ((struct drm_prime_handle *)p)->handle = new_buffer(4096); break;
        case DRM_IOCTL_GET_CAP: ((struct drm_get_cap *)p)->value = 1; break;
        case DRM_IOCTL_SYNCOBJ_CREATE: ((struct drm_syncobj_create *)p)->handle = new_buffer(0); break;
        case DRM_IOCTL_SYNCOBJ_QUERY: { // every point has long been reached
            struct drm_syncobj_timeline_array *q = p;
            for (unsigned i = 0; i < q->count_handles; i++) ((uint64_t *)(uintptr_t)q->points)[i] = 1ull << 40;
            break;
        }
        case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD: ((struct drm_syncobj_handle *)p)->fd = dup(fd); break;
        case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE: ((struct drm_syncobj_handle *)p)->handle = new_buffer(0); break;
    }
    return 0;
}
