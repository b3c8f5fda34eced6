using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Execution;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>A device that is full gives a conversation less room until there is enough: it is opened, and the checkpoint read, once.</summary>
public sealed class ConversationRoomTests
{
    [Theory]
    [InlineData(1, null, 1024, 1024, 256)]
    [InlineData(4, 0, 1024, 1024, 1024)]
    [InlineData(4, 0, 256, 256, 256)]
    public void WhatADeviceHasNoRoomForIsHalvedWithTheDeviceOpen(int sequences, int? tokens, int holds, int shared, int context)
    {
        FullDevice device = new(tokens is null ? 2 : (int)Math.Log2(sequences * 1024 / holds));
        using StringWriter said = new();
        using (LanguageModel model = ConversationRoom.Open(DemoModel.Directory, device, 0, sequences, new Terminal(new Call { Output = TextWriter.Null, Error = said }), CancellationToken.None, tokens))
        {
            Assert.Equal(context, model.Context);
            if (tokens is not null)
            {
                Assert.Equal(shared, model.CachedPositions.Room);
                Assert.Contains($"{sequences} texts share a cache of {shared:N0} tokens", said.ToString(), StringComparison.Ordinal);
            }

            Assert.Equal(context < 1024, said.ToString().Contains($"texts can have {context:N0} of the model's 1,024 tokens", StringComparison.Ordinal));
        }

        Assert.Equal((1, 1), (device.Opened, device.Closed));
    }

    [Theory]
    [InlineData(512, 2, 0)]
    [InlineData(0, 2, 512)]
    public void WhatIsAskedForIsNotHalved(int asked, int sequences, int tokens)
    {
        FullDevice device = new(1);
        Assert.Throws<DeviceMemoryException>(() => ConversationRoom.Open(DemoModel.Directory, device, asked, sequences, new Terminal(new Call { Output = TextWriter.Null, Error = TextWriter.Null }), CancellationToken.None, tokens));
        Assert.Equal((1, 1), (device.Opened, device.Closed));
    }

    /// <summary>The CPU, which says so many times that it is full.</summary>
    private sealed class FullDevice(int times) : Device("full")
    {
        public int Opened { get; private set; }

        public int Closed { get; private set; }

        internal override OpenedDevice Open(Action<string>? say)
        {
            Opened++;
            return new Full(this, times);
        }

        private sealed class Full(FullDevice device, int times) : OpenedDevice
        {
            private int _left = times;

            public override Executor CreateExecutor() => _left-- > 0 ? throw new DeviceMemoryException("full", "The model needs 1 GB", 1, 1, 2, 1) : new CpuExecutor();

            public override void Dispose() => device.Closed++;
        }
    }
}
