using Microsoft.Extensions.AI;
using Portable;
using Portable.Extensions.AI;

// chat MODEL QUESTION : any program written for IChatClient can have a model of this machine.
using LanguageModel model = LanguageModel.Open(args[0]);
IChatClient client = model.AsIChatClient();
await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(args[1]))
{
    Console.Write(update.Text);
}
