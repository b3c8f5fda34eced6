// The openai package from npm against a served model: node openai.mjs URL. Ends with how many checks passed.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const baseURL = process.argv[2] + 'v1';
const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
const models = await client.models.list();
const model = models.data[0].id;
const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Tell me of the sea' }];
let checks = 0;

async function check(name, body) {
  await body();
  checks++;
  console.log('ok: ' + name);
}

await check('chat, whole and streamed, twice and in a crowd: the same text', async () => {
  const ask = { model, messages, max_tokens: 24, temperature: 0.8, seed: 3 };
  const whole = await client.chat.completions.create(ask);
  assert.equal(whole.choices[0].message.role, 'assistant');
  assert.ok(whole.usage.completion_tokens <= 24);
  assert.match(whole.system_fingerprint, /^sha256:/);
  const crowd = Array.from({ length: 12 }, (_, seed) => client.chat.completions.create({ ...ask, seed }));
  const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
  let text = '', usage = null;
  for await (const event of stream) {
    text += event.choices[0]?.delta?.content ?? '';
    usage = event.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  assert.equal((await Promise.all(crowd))[3].choices[0].message.content, text);
});

await check('the helper that gathers a stream', async () => {
  const final = await client.chat.completions.stream({ model, messages, max_tokens: 16 }).finalChatCompletion();
  assert.equal(final.choices[0].message.content, (await client.chat.completions.create({ model, messages, max_tokens: 16 })).choices[0].message.content);
});

await check('tools: a required call, streamed and whole, and its result', async () => {
  const tools = [{ type: 'function', function: { name: 'weather', description: 'Tells the weather', parameters: { type: 'object', properties: { day: { type: 'string', enum: ['today', 'tomorrow'] } }, required: ['day'] } } }];
  const ask = { model, messages, tools, tool_choice: 'required', max_tokens: 120 };
  const whole = await client.chat.completions.create(ask);
  assert.equal(whole.choices[0].finish_reason, 'tool_calls');
  const call = whole.choices[0].message.tool_calls[0];
  assert.ok(['today', 'tomorrow'].includes(JSON.parse(call.function.arguments).day));
  const streamed = await client.chat.completions.stream(ask).finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  const after = await client.chat.completions.create({ model, tools, max_tokens: 8, messages: [...messages, whole.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'Sunny' }] });
  assert.ok(after.choices[0].message);
});

await check('log probabilities', async () => {
  const answer = await client.chat.completions.create({ model, messages, max_tokens: 5, logprobs: true, top_logprobs: 3, temperature: 0 });
  const tokens = answer.choices[0].logprobs.content;
  assert.equal(tokens.length, answer.usage.completion_tokens);
  for (const token of tokens) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].logprob, token.logprob);
    assert.ok(token.logprob <= 0);
  }
});

await check('a JSON schema', async () => {
  const schema = { type: 'object', properties: { city: { type: 'string', maxLength: 10 }, sunny: { type: 'boolean' } }, required: ['city', 'sunny'], additionalProperties: false };
  const answer = await client.chat.completions.create({ model, messages, max_tokens: 120, temperature: 1, response_format: { type: 'json_schema', json_schema: { name: 'weather', schema, strict: true } } });
  assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)), ['city', 'sunny']);
});

await check('completions: choices, echo, likelihoods of the prompt', async () => {
  const answer = await client.completions.create({ model, prompt: 'The old lighthouse', max_tokens: 4, n: 2, echo: true, logprobs: 1, temperature: 1 });
  assert.equal(answer.choices.length, 2);
  assert.equal(answer.choices[0].logprobs.token_logprobs[0], null);
  assert.ok(answer.choices.every(choice => choice.text.includes('The old lighthouse')));
});

await check('responses, whole and streamed', async () => {
  const ask = { model, instructions: 'Be brief.', input: 'Tell me of the sea', max_output_tokens: 20 };
  const whole = await client.responses.create(ask);
  const chat = await client.chat.completions.create({ model, messages, max_tokens: 20 });
  assert.equal(whole.output_text, chat.choices[0].message.content);
  let text = '', last = null;
  for await (const event of await client.responses.create({ ...ask, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.equal(last.response.output[0].content[0].text, text);
  assert.equal((await client.responses.stream(ask).finalResponse()).output_text, text);
  const tools = [{ type: 'function', name: 'weather', parameters: { type: 'object', properties: { day: { enum: ['today', 'tomorrow'] } }, required: ['day'] }, strict: false }];
  const called = await client.responses.create({ model, input: 'How is it?', tools, tool_choice: 'required', max_output_tokens: 120 });
  const call = called.output.find(item => item.type === 'function_call');
  assert.ok(['today', 'tomorrow'].includes(JSON.parse(call.arguments).day));
  const after = await client.responses.create({ model, tools, max_output_tokens: 8, input: [{ role: 'user', content: 'How is it?' }, call, { type: 'function_call_output', call_id: call.call_id, output: 'Sunny' }] });
  assert.ok(after.usage.input_tokens > called.usage.input_tokens);
  const schema = { type: 'object', properties: { sunny: { type: 'boolean' } }, required: ['sunny'], additionalProperties: false };
  const shaped = await client.responses.create({ ...ask, max_output_tokens: 60, text: { format: { type: 'json_schema', name: 'weather', schema } } });
  assert.equal(typeof JSON.parse(shaped.output_text).sunny, 'boolean');
});

await check('errors', async () => {
  await assert.rejects(client.chat.completions.create({ model: 'other', messages }), error => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  await assert.rejects(client.chat.completions.create({ model, messages, temperature: 'hot' }), error => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
  await assert.rejects(client.chat.completions.create({ model, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://127.0.0.1/' } }] }] }), OpenAI.BadRequestError);
});

await check('an abort frees its place', async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true, max_tokens: 200 });
  for await (const event of stream) {
    if (event.choices[0]?.delta?.content) break;
  }
  const abort = new AbortController();
  const asked = client.chat.completions.create({ model, messages, max_tokens: 200 }, { signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  await assert.rejects(asked, OpenAI.APIUserAbortError).catch(error => assert.ok(error instanceof assert.AssertionError));
  for (let i = 0; ; i++) {
    const metrics = await (await fetch(process.argv[2] + 'metrics')).text();
    if (/^portable_running_texts 0$/m.test(metrics)) break;
    assert.ok(i < 500, 'a place is still taken');
    await new Promise(later => setTimeout(later, 20));
  }
});

console.log(checks + ' passed');
