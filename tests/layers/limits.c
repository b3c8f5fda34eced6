// A Vulkan layer that makes a device report less than it has, so that what Portable does on poorer devices is tested on software
// Vulkan. PORTABLE_LIMITS is a list of name=value: type (VkPhysicalDeviceType), shared (bytes), invocations, groups, subgroups
// (of a workgroup), timestamps=0, stages=0 (no compute pipeline may require a subgroup size), operations (subgroup operations, a
// bit mask), version (minor), without=int8+dot+matrix+sizes.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;

static const char *setting(const char *name) {
    static __thread char value[64];
    const char *all = getenv("PORTABLE_LIMITS");
    size_t length = strlen(name);
    for (const char *at = all; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (!strncmp(at, name, length) && at[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(at + length + 1, ","), at + length + 1);
            return value;
        }
    }
    return NULL;
}

static bool number(const char *name, uint32_t *value) {
    const char *text = setting(name);
    if (text) {
        *value = (uint32_t)strtoul(text, NULL, 0);
    }
    return text != NULL;
}

static bool without(const char *feature) {
    const char *list = setting("without");
    return list && strstr(list, feature);
}

static void lower(VkPhysicalDeviceProperties *p) {
    uint32_t v;
    if (number("type", &v)) p->deviceType = v;
    if (number("shared", &v)) p->limits.maxComputeSharedMemorySize = v;
    if (number("invocations", &v)) p->limits.maxComputeWorkGroupInvocations = p->limits.maxComputeWorkGroupSize[0] = v;
    if (number("groups", &v)) for (int i = 0; i < 3; i++) p->limits.maxComputeWorkGroupCount[i] = v;
    if (number("version", &v)) p->apiVersion = VK_MAKE_API_VERSION(0, 1, v, 0);
}

static PFN_vkGetPhysicalDeviceProperties next_properties;
static PFN_vkGetPhysicalDeviceProperties2 next_properties2;
static PFN_vkGetPhysicalDeviceFeatures2 next_features2;
static PFN_vkGetPhysicalDeviceQueueFamilyProperties next_families;
static PFN_vkEnumerateDeviceExtensionProperties next_extensions;

static VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice device, VkPhysicalDeviceProperties *p) {
    next_properties(device, p);
    lower(p);
}

static VKAPI_ATTR void VKAPI_CALL properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2 *p) {
    next_properties2(device, p);
    lower(&p->properties);
    uint32_t v;
    for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES && number("operations", &v)) {
            ((VkPhysicalDeviceVulkan11Properties *)s)->subgroupSupportedOperations = v;
        }
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES) {
            VkPhysicalDeviceVulkan13Properties *p13 = (void *)s;
            if (number("stages", &v)) p13->requiredSubgroupSizeStages = v;
            if (number("subgroups", &v)) p13->maxComputeWorkgroupSubgroups = v;
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL features2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *p) {
    next_features2(device, p);
    for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES && without("int8")) {
            VkPhysicalDeviceVulkan12Features *p12 = (void *)s;
            p12->shaderInt8 = p12->storageBuffer8BitAccess = VK_FALSE;
        }
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES) {
            VkPhysicalDeviceVulkan13Features *p13 = (void *)s;
            if (without("dot")) p13->shaderIntegerDotProduct = VK_FALSE;
            if (without("sizes")) p13->subgroupSizeControl = p13->computeFullSubgroups = VK_FALSE;
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL families(VkPhysicalDevice device, uint32_t *count, VkQueueFamilyProperties *p) {
    next_families(device, count, p);
    uint32_t v;
    for (uint32_t i = 0; p && i < *count; i++) {
        if (number("timestamps", &v)) p[i].timestampValidBits = v;
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL extensions(VkPhysicalDevice device, const char *layer, uint32_t *count, VkExtensionProperties *p) {
    VkResult result = next_extensions(device, layer, count, p);
    for (uint32_t i = 0; p && i < *count; i++) {
        if (without("matrix") && strstr(p[i].extensionName, "cooperative_matrix")) {
            strcpy(p[i].extensionName, "VK_PORTABLE_withheld");
        }
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *instance) {
    VkLayerInstanceCreateInfo *link = (void *)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO)) link = (void *)link->pNext;
    next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    VkResult result = ((PFN_vkCreateInstance)next_instance_proc(NULL, "vkCreateInstance"))(info, allocator, instance);
    if (result == VK_SUCCESS) {
        next_properties = (void *)next_instance_proc(*instance, "vkGetPhysicalDeviceProperties");
        next_properties2 = (void *)next_instance_proc(*instance, "vkGetPhysicalDeviceProperties2");
        next_features2 = (void *)next_instance_proc(*instance, "vkGetPhysicalDeviceFeatures2");
        next_families = (void *)next_instance_proc(*instance, "vkGetPhysicalDeviceQueueFamilyProperties");
        next_extensions = (void *)next_instance_proc(*instance, "vkEnumerateDeviceExtensionProperties");
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *device) {
    VkLayerDeviceCreateInfo *link = (void *)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO)) link = (void *)link->pNext;
    PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    return ((PFN_vkCreateDevice)instance_proc(NULL, "vkCreateDevice"))(physical, info, allocator, device);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name) {
    return !strcmp(name, "vkGetDeviceProcAddr") ? (PFN_vkVoidFunction)device_proc : next_device_proc(device, name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance instance, const char *name) {
    static const struct {
        const char *name;
        void *function;
    } ours[] = {
        {"vkGetInstanceProcAddr", instance_proc}, {"vkGetDeviceProcAddr", device_proc}, {"vkCreateInstance", create_instance}, {"vkCreateDevice", create_device},
        {"vkGetPhysicalDeviceProperties", properties}, {"vkGetPhysicalDeviceProperties2", properties2}, {"vkGetPhysicalDeviceFeatures2", features2},
        {"vkGetPhysicalDeviceQueueFamilyProperties", families}, {"vkEnumerateDeviceExtensionProperties", extensions},
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!strcmp(name, ours[i].name)) return (PFN_vkVoidFunction)ours[i].function;
    }
    return next_instance_proc ? next_instance_proc(instance, name) : NULL;
}

VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *p) {
    p->loaderLayerInterfaceVersion = 2;
    p->pfnGetInstanceProcAddr = instance_proc;
    p->pfnGetDeviceProcAddr = device_proc;
    p->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
