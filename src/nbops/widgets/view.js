// Draws the tree of elements that Python sends (nbops.render.elements) and tells Python what was done with it.
// Only tags and attributes on these lists are made, and text is text: nothing that comes from data can run.
const HTML = new Set(
  "div span section h3 h4 p b code pre ul li table caption thead tbody tr th td details summary button input select option label form fieldset legend small".split(
    " "
  )
);
const SVG = new Set("svg g title path line polyline rect circle text".split(" "));
const ATTRIBUTE =
  /^(class|role|tabindex|title|type|name|value|placeholder|for|id|scope|colspan|open|selected|checked|disabled|min|max|step|width|height|viewBox|x|y|x1|y1|x2|y2|cx|cy|r|rx|d|points|fill|stroke|stroke-width|stroke-dasharray|text-anchor|transform|opacity|preserveAspectRatio|aria-[a-z]+|data-[a-z]+)$/;
const TYPING_MS = 250;

function build(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const [tag, attributes, children] = node;
  if (!HTML.has(tag) && !SVG.has(tag)) return document.createTextNode("");
  const made = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (ATTRIBUTE.test(name)) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.map(build));
  return made;
}

function fields(form) {
  const values = {};
  for (const field of form ? form.querySelectorAll("[name]") : []) {
    values[field.name] = field.type === "checkbox" ? field.checked : field.value;
  }
  return values;
}

function render({ model, el }) {
  let timer;
  const root = document.createElement("div");
  root.className = "nbops-view";
  el.append(root);

  const draw = (tree) => {
    // the field being typed in keeps its text, its cursor and the focus; a scrolled table stays where it was
    const active = root.contains(document.activeElement) ? document.activeElement : null;
    const key = active && active.dataset.key;
    const typed = active && active.tagName === "INPUT" && active.type === "text" ? active : null;
    const held = typed && { value: typed.value, at: typed.selectionStart };
    const scrolled = [...root.querySelectorAll("[data-scroll]")].map((e) => [e.dataset.scroll, e.scrollTop]);
    root.replaceChildren(build(tree));
    for (const [name, top] of scrolled) {
      const again = [...root.querySelectorAll("[data-scroll]")].find((e) => e.dataset.scroll === name);
      if (again) again.scrollTop = top;
    }
    const again = key && [...root.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key);
    if (again) {
      again.focus();
      if (held) {
        again.value = held.value;
        again.setSelectionRange(held.at, held.at);
      }
    }
  };

  const tell = (target, extra) => {
    const form = target.closest("form");
    model.send({ act: target.dataset.act, value: target.dataset.value ?? "", form: fields(form), ...extra });
  };
  const acting = (event) => event.target.closest && event.target.closest("[data-act]");
  root.addEventListener("click", (event) => {
    const target = acting(event);
    if (target && !/^(INPUT|SELECT|FORM)$/.test(target.tagName)) tell(target, {});
    else if (target && target.type === "checkbox") tell(target, { checked: target.checked });
  });
  root.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook's own shortcuts are not meant
    const target = acting(event);
    if (target && (event.key === "Enter" || event.key === " ") && !/^(INPUT|SELECT|BUTTON|FORM)$/.test(target.tagName)) {
      event.preventDefault();
      tell(target, {});
    }
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    const target = acting(event);
    if (target) tell(target, { form: fields(target) });
  });
  root.addEventListener("change", (event) => {
    const target = acting(event);
    if (target && target.tagName === "SELECT") tell(target, { value: target.value });
  });
  root.addEventListener("input", (event) => {
    const target = acting(event);
    if (!target || target.tagName !== "INPUT" || target.type !== "text") return;
    clearTimeout(timer);
    timer = setTimeout(() => tell(target, { value: target.value }), TYPING_MS);
  });

  const onMessage = (message) => message && message.tree && draw(message.tree);
  model.on("msg:custom", onMessage);
  draw(model.get("tree"));
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
