// The editor of pipelines, over the text area that is there without scripts: what is wrong is shown where it is, and the
// words that fit are offered. Both are asked of the server: there is one parser, so they cannot differ.
import {
  EditorView, EditorState, HighlightStyle, autocompletion, bracketMatching, closeBrackets, closeBracketsKeymap,
  completionKeymap, defaultKeymap, drawSelection, highlightActiveLine, highlightActiveLineGutter, history, historyKeymap,
  indentOnInput, indentUnit, keymap, lineNumbers, lintGutter, lintKeymap, linter, syntaxHighlighting, tags, yaml,
} from "../vendor/codemirror.js";

const NAMES = ["now", "params.", "steps.", "task.id", "task.title", "run.id", "event.payload", "item", "index", "secrets."];

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--acc)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok-t)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn-t)" },
  { tag: [tags.comment, tags.punctuation, tags.separator], color: "var(--ink3)" },
]);

// Shadow roots take style sheets from scripts, which the page's policy asks nothing of; documents take elements, which it forbids.
export function mount(area) {
  const host = document.createElement("div");
  host.className = "editor";
  area.after(host);
  const root = host.attachShadow({ mode: "open" });
  const base = location.pathname.replace(/\/tasks\/.*/, "");
  let words = { keys: {}, tools: {} };
  fetch(`${base}/api/words`).then(async (answer) => { if (answer.ok) words = await answer.json(); }).catch(() => {});

  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(), highlightActiveLine(), highlightActiveLineGutter(), drawSelection(), history(), indentOnInput(),
        bracketMatching(), closeBrackets(), yaml(), indentUnit.of("  "), syntaxHighlighting(colours), theme,
        autocompletion({ override: [(context) => offered(context, words)] }),
        linter((now) => problems(base, now), { delay: 500 }), lintGutter(),
        EditorView.contentAttributes.of({ "aria-label": area.labels[0].textContent, role: "textbox", "aria-multiline": "true" }),
        // Tab moves on, as in any form: whoever has no mouse is not caught here.
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => { if (update.docChanged) area.value = update.state.doc.toString(); }),
      ],
    }),
  });
  const [label] = area.labels;
  label.removeAttribute("for");
  label.addEventListener("click", () => view.focus());
  area.hidden = true;
}

async function problems(base, view) {
  const answer = await fetch(`${base}/api/lint`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: view.state.doc.toString() }),
  });
  if (!answer.ok) return [];
  const length = view.state.doc.length;
  return (await answer.json()).problems.map((one) => ({ ...one, from: Math.min(one.from, length), to: Math.min(one.to, length) }));
}

// What fits where the cursor stands.
function offered(context, words) {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  let found;
  if ((found = /uses:\s*([\w.-]*)$/.exec(before))) {
    return list(context, found[1], Object.entries(words.tools).map(([label, { about }]) => ({ label, info: about, type: "function" })));
  }
  if ((found = /\$\{([\w.]*)$/.exec(before))) {
    const steps = [...context.state.doc.toString().matchAll(/(?:save_as|\bid):\s*([\w-]+)/g)].map(([, name]) => `steps.${name}`);
    return list(context, found[1], [...new Set([...steps, ...NAMES])].map((label) => ({ label, type: "variable" })));
  }
  if ((found = /^\s*(?:-\s+)?(\w*)$/.exec(before)) && (found[1] || context.explicit)) {
    const tool = inside(context.state.doc, line.number);
    const keys = tool ? words.tools[tool]?.arguments ?? {} : words.keys;
    return list(context, found[1], Object.entries(keys).map(([label, info]) => ({ label, info, type: "property", apply: `${label}: ` })));
  }
  return null;
}

function list(context, typed, options) {
  return { from: context.pos - typed.length, options, validFor: /^[\w.-]*$/ };
}

// The tool whose arguments this line is among, if it stands below a `with:`.
function inside(doc, number) {
  const indent = (text) => /^[\s-]*/.exec(text)[0].length;
  let depth = indent(doc.line(number).text);
  let below = false;
  for (let at = number - 1; at > 0; at -= 1) {
    const { text } = doc.line(at);
    if (!text.trim() || indent(text) > depth) continue;
    if (!below && indent(text) < depth && /^[\s-]*with:\s*$/.test(text)) { below = true; depth = indent(text); continue; }
    if (!below && indent(text) < depth) return null;
    const uses = /uses:\s*([\w.-]+)/.exec(text);
    if (below && uses) return uses[1];
    if (below && text.trimStart().startsWith("- ")) break;
  }
  if (!below) return null;
  for (let at = number + 1; at <= doc.lines; at += 1) {
    const { text } = doc.line(at);
    const uses = /^\s+uses:\s*([\w.-]+)/.exec(text);
    if (uses) return uses[1];
    if (text.trimStart().startsWith("- ")) return null;
  }
  return null;
}

const theme = EditorView.theme({
  "&": { backgroundColor: "var(--card)", color: "var(--ink)", border: "1px solid var(--line2)", borderRadius: "var(--r2)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "2px solid var(--acc)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: '"JetBrains Mono", var(--mono)', lineHeight: "1.6", minHeight: "220px", maxHeight: "60vh", overflow: "auto" },
  ".cm-content": { padding: "10px 0", caretColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink3)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "oklch(from var(--ink) l c h / .04)" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "oklch(from var(--acc) l c h / .22) !important" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--ink)", border: "1px solid var(--line2)", borderRadius: "8px", boxShadow: "0 8px 30px oklch(10% .03 264 / .2)", maxWidth: "420px" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: '"JetBrains Mono", var(--mono)', fontSize: "12.5px" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "4px 10px !important" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--acc-bg) !important", color: "var(--ink) !important" },
  ".cm-completionIcon": { display: "none" },
  ".cm-completionMatchedText": { textDecoration: "none", color: "var(--acc)", fontWeight: "600" },
  // CodeMirror draws these as pictures from data addresses, which the policy does not let in.
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--sat) 1px", textUnderlineOffset: "3px" },
  ".cm-lint-marker": { width: "8px", height: "8px", borderRadius: "50%" },
  ".cm-lint-marker-error": { content: "none", backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { content: "none", backgroundColor: "var(--sat)" },
  ".cm-diagnostic": { fontFamily: "var(--sans)", fontSize: "13px", padding: "6px 10px" },
});
