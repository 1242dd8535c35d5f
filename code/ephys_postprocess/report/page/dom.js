// Elements, explanations on hover and focus, files for the reader to keep.
const byId = id => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, onClick, className = "") {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

function setOptions(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  select.value = chosen;
}

// An explanation that shows when the pointer or the keyboard is on an element.
function explain(target, text) {
  if (text) target.dataset.explanation = text; else delete target.dataset.explanation;
}

function showTooltip(text, event) {
  const tip = byId("tooltip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18, above = event.clientY - tip.offsetHeight - 10;
  tip.style.left = `${Math.max(8, x)}px`;
  tip.style.top = `${below + tip.offsetHeight > window.innerHeight ? above : below}px`;
}

function onPointed(event) {
  const target = event.target.closest?.("[data-explanation]");
  if (!target) { if (!event.target.closest?.(".pointed")) showTooltip(null); return; }
  const box = target.getBoundingClientRect();
  showTooltip(target.dataset.explanation, { clientX: Math.max(0, box.left), clientY: box.bottom - 12 });
}

function startTooltips() {
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, onPointed);
  document.addEventListener("focusout", () => showTooltip(null));
  document.addEventListener("keydown", event => { if (event.key === "Escape") showTooltip(null); });
}

// For readers who do not see the page.
function announce(text) { byId("announcement").textContent = text; }

function saveFile(name, type, text) {
  const link = element("a"), address = URL.createObjectURL(new Blob([text], { type }));
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
const fileName = (start, name, end) => `${start}_${name.replace(/[^\w.+-]+/g, "_")}.${end}`;
