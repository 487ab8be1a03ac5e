// What the SDKs for Node make of Parapet's answers, as JSON on stdout: test_clients.py compares it.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { PARAPET_URL: url, CARD: card, IBAN: iban } = process.env;
const said = `say my card is ${card}, thanks`;
const openai = new OpenAI({ apiKey: "k", baseURL: `${url}/v1`, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey: "k", baseURL: url, maxRetries: 0 });

const blocked = async (call) => {
  try {
    await call();
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code };
  }
  return null;
};
const joined = async (stream, piece) => {
  let text = "";
  for await (const event of stream) text += piece(event) ?? "";
  return text;
};

const chat = (content, more = {}) => openai.chat.completions.create({ model: "m", messages: [{ role: "user", content }], ...more });
const respond = (input, more = {}) => openai.responses.create({ model: "m", input, ...more });
const message = (content, more = {}) =>
  anthropic.messages.create({ model: "m", max_tokens: 100, messages: [{ role: "user", content }], ...more });

const got = {
  chat: {
    whole: (await chat(said)).choices[0].message.content,
    streamed: await joined(await chat(said, { stream: true }), (chunk) => chunk.choices[0]?.delta?.content),
    blocked: await blocked(() => chat(iban)),
  },
  responses: {
    whole: (await respond(said)).output_text,
    streamed: await joined(await respond(said, { stream: true }), (event) =>
      event.type === "response.output_text.delta" ? event.delta : "",
    ),
    blocked: await blocked(() => respond(iban)),
  },
  messages: {
    whole: (await message(said)).content[0].text,
    streamed: await joined(await message(said, { stream: true }), (event) =>
      event.type === "content_block_delta" ? event.delta.text : "",
    ),
    blocked: await blocked(() => message(iban)),
  },
};
console.log(JSON.stringify(got));
