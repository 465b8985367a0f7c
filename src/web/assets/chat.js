// Makes the chat quicker: the reply streams into the page. Without this the forms do the same.
const form = document.querySelector("form.ask");
const chat = form?.closest(".chat[data-conversation]");
const field = form?.elements.text;

if (form) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}

if (chat) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text || form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    try {
      await say(text);
      field.value = "";
      field.focus();
    } catch {
      form.submit();
    }
    form.removeAttribute("aria-busy");
  });
}

function add(id) {
  const item = document.getElementById(id).content.cloneNode(true).firstElementChild;
  chat.querySelector(".said").append(item);
  return item;
}

async function say(text) {
  const { conversation, token } = chat.dataset;
  const response = await fetch(`/v1/conversations/${conversation}/messages`, {
    method: "POST",
    credentials: "omit",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "text/event-stream",
    },
    body: JSON.stringify({ text }),
  });
  if (!response.ok || !response.body) throw new Error("not answered");
  add("mine").querySelector(".words").textContent = text;
  const item = add("theirs");
  const words = item.querySelector(".words");
  for await (const { name, data } of events(response.body)) {
    if (name === "text") words.append(data.text);
    if (name === "sources") data.sources.forEach((source) => cite(item, source));
    if (name === "done" && data.kind === "answer") rate(item, data.message);
    // A hand-over changes the page around the reply: the server draws it.
    if (name === "done" && /handoff|refusal/.test(data.kind)) setTimeout(() => location.reload(), 800);
  }
  item.scrollIntoView({ block: "nearest" });
}

function cite(item, source) {
  const box = document.getElementById("source").content.cloneNode(true).firstElementChild;
  box.querySelector("summary").append(source.title);
  box.querySelector("blockquote").textContent = source.passage;
  const link = box.querySelector("a");
  if (/^https?:/.test(source.url ?? "")) link.href = source.url;
  else link.parentElement.remove();
  item.querySelector(".bubble").append(box);
}

function rate(item, message) {
  const form = document.getElementById("rate").content.cloneNode(true).firstElementChild;
  form.elements.message.value = message;
  item.querySelector(".bubble").append(form);
}

async function* events(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}
