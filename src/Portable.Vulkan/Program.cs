return Portable.Vulkan.Contact.ContactProgram.Run(args);
