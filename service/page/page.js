const get = id => document.getElementById(id);
const make = (name, text, style) => Object.assign(document.createElement(name), { textContent: text ?? "", className: style ?? "" });
const percent = share => `${(100 * share).toFixed(1)} %`;
let facts = null;  // what GET v1/model says; its threshold is the one that decides

async function call(path, options = {}) {
  const token = get("token").value.trim();
  if (token) options.headers = { ...options.headers, Authorization: `Bearer ${token}` };
  const reply = await fetch(path, options);
  if (reply.status === 401 || reply.status === 403) get("auth").hidden = false;
  return [reply.ok, await reply.json()];
}

async function learn() {
  const [known, model] = await call("v1/model").catch(() => [false]);
  if (!known) return;
  facts = model;
  document.body.classList.add(...model.inputs.map(input => `takes-${input}`));  // page.css shows the field of an input by it
}

function bars(answer) {
  const list = make("dl"), enough = answer.reason !== "low_confidence";
  for (const [label, share] of Object.entries(answer.probabilities)) {
    const bar = make("dd", "", "bar"), fill = make("i", "", label === answer.prediction && enough ? "enough" : "");
    fill.style.width = `${100 * share}%`;
    bar.append(fill);
    if (facts && facts.min_confidence < 1) bar.append(Object.assign(make("b"), { title: `from ${percent(facts.min_confidence)} on it decides` }));
    if (bar.lastChild !== fill) bar.lastChild.style.left = `${100 * facts.min_confidence}%`;
    list.append(make("dt", label), bar, make("dd", percent(share), "share"));
  }
  return list;
}

function reason(answer) {
  const guess = `The best guess is ${answer.prediction}, ${percent(answer.probabilities[answer.prediction])}`;
  if (answer.reason === "unfamiliar") return `This is unlike what the model learned from, so its answer is not to be relied on. ${guess}.`;
  return `${guess}: too little to decide${facts ? `, which takes ${percent(facts.min_confidence)}` : ""}.`;
}

function feedback(answer) {
  const set = make("fieldset"), said = make("p");
  said.setAttribute("role", "status");
  set.append(make("legend", "Wrong? Say what it is:"));
  for (const label of Object.keys(answer.probabilities)) {
    const button = make("button", label === answer.prediction ? `${label} (right)` : label);
    button.type = "button";
    button.addEventListener("click", async () => {
      const body = JSON.stringify({ id: answer.id, label });
      const [kept, reply] = await call("v1/feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body })
        .catch(error => [false, { error: { message: error.message } }]);
      said.textContent = kept ? `Thank you: kept as ${label}.` : `Not kept: ${reply.error.message}`;
      said.className = kept ? "" : "refused";
      if (kept) set.remove();
    });
    set.append(button);
  }
  const both = make("div");
  both.append(set, said);
  return both;
}

function why(explanation) {
  const places = explanation.places ? [Object.assign(make("img"), { src: explanation.places, alt: "the places that speak for the answer" })] : [];
  const told = (title, words) => words.length ? [make("p", `${title}: ${words.map(word => word.ngram).join(", ")}`)] : [];
  const words = explanation.words ? [...told("For it", explanation.words.speak_for), ...told("Against it", explanation.words.speak_against)] : [];
  const place = near => `like ${near.label}: ${near.document}${near.page === null ? "" : `, page ${near.page + 1}`}`;
  return [...places, ...words, ...(explanation.nearest ?? []).map(near => make("p", place(near)))];
}

function told(answer) {
  const side = make("div"), heading = make("h2", answer.decision);
  side.append(heading);
  if (answer.repeat) heading.textContent += " (repeats the first)";
  if (answer.reason) side.append(make("p", reason(answer)));
  side.append(bars(answer), feedback(answer));
  if (answer.why) side.append(...why(answer.why));
  side.append(make("small", `model ${answer.model.version}, commit ${answer.model.commit.slice(0, 8)}, data ${answer.model.data}`));
  return side;
}

function refused(error) {
  const side = make("div");
  side.append(make("h2", "No answer"), make("p", error.message, "refused"));
  return side;
}

function show(answer, source, title) {
  const side = answer.error ? refused(answer.error) : told(answer);
  const article = make("article", "", answer.error ? "refused" : answer.decision === "unsure" ? "unsure" : "");
  const link = make("a", `${title}: ${answer.error ? "no answer" : answer.decision}`), entry = make("li");
  article.id = `answer-${get("answers").childElementCount + 1}`;
  article.tabIndex = -1;
  side.append(make("br"), make("small", title));
  article.append(source ? Object.assign(make("img"), { src: source, alt: title }) : make("div"), side);
  get("answers").prepend(article);
  link.href = `#${article.id}`;
  entry.append(link);
  get("history").prepend(entry);
  get("visit").hidden = false;
}

function form(image, text) {
  const both = new FormData();
  both.append("image", image);
  both.append("text", text);
  return both;
}

async function askText() {
  const body = JSON.stringify({ text: get("text").value });
  const [, answer] = await call(`v1/classify${get("why").checked ? "?explain=true" : ""}`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  show(answer, "", get("text").value.slice(0, 60));
  get("state").textContent = get("history").firstChild.textContent;
}

async function ask(file) {
  const pdf = file.type === "application/pdf";
  const path = pdf ? "v1/classify/pdf?thumbnails=true" : `v1/classify${get("why").checked ? "?explain=true" : ""}`;
  const text = pdf ? "" : get("text").value.trim();
  const headers = text ? {} : { "Content-Type": file.type || "application/octet-stream" };
  const [, answer] = await call(path, { method: "POST", headers, body: text ? form(file, text) : file });
  if (!facts) await learn();
  if (answer.images && !answer.images.length) show({ error: { message: "This PDF has no image on its pages." } }, "", file.name);
  else if (answer.images) answer.images.toReversed().forEach(row => show(row, row.thumbnail, `${file.name}, page ${row.page + 1}`));
  else show(answer, pdf || answer.error ? "" : URL.createObjectURL(file), file.name);
}

async function askAll(files) {
  for (const file of files) {
    get("state").textContent = `Looking at ${file.name} …`;
    try { await ask(file); }
    catch (error) { show({ error: { message: `The service did not answer: ${error.message}` } }, "", file.name); }
  }
  get("state").textContent = files.length === 1 ? get("history").firstChild.textContent : `${files.length} files answered`;
  get("file").value = "";
}

get("file").addEventListener("change", event => askAll([...event.target.files]));
get("file").addEventListener("keydown", event => { if (event.key === "Enter") event.target.click(); });
get("token").addEventListener("change", learn);
get("words").addEventListener("submit", event => {
  event.preventDefault();
  askText().catch(error => show({ error: { message: `The service did not answer: ${error.message}` } }, "", "text"));
});
for (const name of ["dragenter", "dragover"]) {
  get("drop").addEventListener(name, event => { event.preventDefault(); get("drop").classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) get("drop").addEventListener(name, () => get("drop").classList.remove("over"));
get("drop").addEventListener("drop", event => { event.preventDefault(); askAll([...event.dataTransfer.files]); });
learn();
