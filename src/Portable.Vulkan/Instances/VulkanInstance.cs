using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Instances;

/// <summary>
/// The process's Vulkan instance, shared by counting: made by the first user, destroyed by the last. With
/// <c>PORTABLE_VULKAN_VALIDATION=1</c> the Khronos validation layer is on and its errors are collected.
/// </summary>
internal sealed unsafe class VulkanInstance : IDisposable
{
    /// <summary>The environment variable that turns the validation layer on.</summary>
    public const string ValidationVariable = "PORTABLE_VULKAN_VALIDATION";

    private const string ValidationLayer = "VK_LAYER_KHRONOS_validation";
    private static readonly Lock Gate = new();
    private static readonly ConcurrentQueue<string> Messages = new();
    private static VulkanInstance? s_shared;
    private DebugUtilsMessengerEXT _messenger;
    private int _users;

    private VulkanInstance(Vk api)
    {
        Api = api;
        Validation = Environment.GetEnvironmentVariable(ValidationVariable) == "1" && HasLayer(api);
        Create();
    }

    /// <summary>What the validation layer has said since the process started.</summary>
    public static IReadOnlyCollection<string> ValidationMessages => Messages;

    /// <summary>Whether the validation layer is on.</summary>
    public bool Validation { get; }

    /// <summary>The bindings.</summary>
    internal Vk Api { get; }

    /// <summary>The instance.</summary>
    internal Instance Handle { get; private set; }

    /// <summary>Joins the shared instance, or returns null and the reason there can be none.</summary>
    public static VulkanInstance? TryAcquire(out string? reason)
    {
        lock (Gate)
        {
            if (VulkanLoader.TryLoad(out reason) is not { } api)
            {
                return null;
            }

            try
            {
                s_shared ??= new VulkanInstance(api);
            }
            catch (VulkanException e)
            {
                reason = e.Message;
                return null;
            }

            s_shared._users++;
            return s_shared;
        }
    }

    /// <summary>Leaves the shared instance.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (--_users > 0)
            {
                return;
            }

            if (_messenger.Handle != 0)
            {
                var destroy = (delegate* unmanaged<Instance, DebugUtilsMessengerEXT, AllocationCallbacks*, void>)Proc("vkDestroyDebugUtilsMessengerEXT");
                destroy(Handle, _messenger, null);
            }

            Api.DestroyInstance(Handle, null);
            s_shared = null;
        }
    }

    /// <summary>An extension's entry point, or 0.</summary>
    internal nint Proc(string name) => (nint)Api.GetInstanceProcAddr(Handle, name).Handle;

    private static bool HasLayer(Vk api)
    {
        uint count = 0;
        api.EnumerateInstanceLayerProperties(&count, null);
        var layers = new LayerProperties[count];
        fixed (LayerProperties* p = layers)
        {
            api.EnumerateInstanceLayerProperties(&count, p);
            for (int i = 0; i < count; i++)
            {
                if (SilkMarshal.PtrToString((nint)p[i].LayerName) == ValidationLayer)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool HasExtension(Vk api, string name)
    {
        uint count = 0;
        api.EnumerateInstanceExtensionProperties((byte*)null, &count, null);
        var extensions = new ExtensionProperties[count];
        fixed (ExtensionProperties* p = extensions)
        {
            api.EnumerateInstanceExtensionProperties((byte*)null, &count, p);
            for (int i = 0; i < count; i++)
            {
                if (SilkMarshal.PtrToString((nint)p[i].ExtensionName) == name)
                {
                    return true;
                }
            }
        }

        return false;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint OnMessage(DebugUtilsMessageSeverityFlagsEXT severity, uint types, DebugUtilsMessengerCallbackDataEXT* data, void* user)
    {
        Messages.Enqueue(SilkMarshal.PtrToString((nint)data->PMessage) ?? "");
        return 0;
    }

    private Version LoaderVersion()
    {
        // A loader of version 1.0 has no such function.
        if ((nint)Api.GetInstanceProcAddr(default(Instance), "vkEnumerateInstanceVersion").Handle == 0)
        {
            return new Version(1, 0);
        }

        uint version;
        VulkanException.Check(Api.EnumerateInstanceVersion(&version), "Asking for the Vulkan version");
        return new Version((int)(version >> 22) & 0x7f, (int)(version >> 12) & 0x3ff);
    }

    private void Create()
    {
        nint name = SilkMarshal.StringToPtr("portable"), layer = SilkMarshal.StringToPtr(ValidationLayer), debug = SilkMarshal.StringToPtr("VK_EXT_debug_utils");
        nint portability = SilkMarshal.StringToPtr("VK_KHR_portability_enumeration");
        var application = new ApplicationInfo { SType = StructureType.ApplicationInfo, PApplicationName = (byte*)name, ApiVersion = Vk.Version13 };
        var create = new InstanceCreateInfo { SType = StructureType.InstanceCreateInfo, PApplicationInfo = &application };
        nint* extensions = stackalloc nint[2];
        if (HasExtension(Api, "VK_KHR_portability_enumeration"))
        {
            // Layers over other APIs (MoltenVK) are listed only to those who ask.
            extensions[create.EnabledExtensionCount++] = portability;
            create.Flags |= InstanceCreateFlags.EnumeratePortabilityBitKhr;
        }

        if (Validation)
        {
            create.EnabledLayerCount = 1;
            create.PpEnabledLayerNames = (byte**)&layer;
            extensions[create.EnabledExtensionCount++] = debug;
        }

        create.PpEnabledExtensionNames = (byte**)extensions;
        Instance handle;
        Result result = Api.CreateInstance(&create, null, &handle);
        SilkMarshal.Free(name);
        SilkMarshal.Free(layer);
        SilkMarshal.Free(debug);
        SilkMarshal.Free(portability);
        if (result == Result.ErrorIncompatibleDriver)
        {
            // The loader says this of a version that it does not know, and of a machine without any driver.
            Version version = LoaderVersion();
            throw new VulkanException(version < VulkanRefusals.Needed ? VulkanRefusals.OldLoader(version) : VulkanRefusals.NoDriver);
        }

        VulkanException.Check(result, "Starting Vulkan");
        Handle = handle;
        Api.CurrentInstance = handle;
        if (Validation)
        {
            var info = new DebugUtilsMessengerCreateInfoEXT
            {
                SType = StructureType.DebugUtilsMessengerCreateInfoExt,
                MessageSeverity = DebugUtilsMessageSeverityFlagsEXT.ErrorBitExt | DebugUtilsMessageSeverityFlagsEXT.WarningBitExt,
                MessageType = DebugUtilsMessageTypeFlagsEXT.ValidationBitExt,
                PfnUserCallback = new PfnDebugUtilsMessengerCallbackEXT(
                    (delegate* unmanaged[Cdecl]<DebugUtilsMessageSeverityFlagsEXT, DebugUtilsMessageTypeFlagsEXT, DebugUtilsMessengerCallbackDataEXT*, void*, Silk.NET.Core.Bool32>)
                    (delegate* unmanaged[Cdecl]<DebugUtilsMessageSeverityFlagsEXT, uint, DebugUtilsMessengerCallbackDataEXT*, void*, uint>)&OnMessage),
            };
            DebugUtilsMessengerEXT messenger;
            var createMessenger = (delegate* unmanaged<Instance, DebugUtilsMessengerCreateInfoEXT*, AllocationCallbacks*, DebugUtilsMessengerEXT*, Result>)Proc("vkCreateDebugUtilsMessengerEXT");
            VulkanException.Check(createMessenger(handle, &info, null, &messenger), "Creating the validation messenger");
            _messenger = messenger;
        }
    }
}
