// A curator's labels: kept in this browser, saved as the JSON that spikeinterface.curation.apply_curation takes.
const LABELS = [["good", "g"], ["mua", "m"], ["noise", "n"], ["non_soma", "s"]];
const CATEGORY = "quality";
const labels = new Map(); // unit index: label
const placeOfLabels = `ephys_postprocess labels ${DATA.identity}`;
let isKept = true;

const labelOfUnit = unit => labels.get(unit) ?? "";

function readKeptLabels() {
  try {
    for (const [id, label] of Object.entries(JSON.parse(localStorage.getItem(placeOfLabels) ?? "{}"))) {
      const unit = DATA.units.ids.indexOf(id);
      if (unit >= 0 && LABELS.some(([name]) => name === label)) labels.set(unit, label);
    }
  } catch { isKept = false; }
}

function keepLabels() {
  const ids = Object.fromEntries([...labels].map(([unit, label]) => [idOf(unit), label]));
  try { localStorage.setItem(placeOfLabels, JSON.stringify(ids)); isKept = true; } catch { isKept = false; }
  tellLabels();
}

function tellLabels(text = "") {
  const number = name => allUnits.filter(unit => labelOfUnit(unit) === name).length;
  byId("label-counts").textContent = `${LABELS.map(([name]) => `${number(name)} ${name}`).join(", ")}, ${numUnits - labels.size} without`;
  byId("curation-note").textContent = text || (isKept ? "Kept in this browser, for this result, until removed. The saved JSON is SpikeInterface's: apply_curation(analyzer, json.load(open(file))) sets it as the property “quality”."
    : "This browser keeps nothing for this page: save the curation before closing it.");
}

function setLabel(unit, label) {
  if (label && labelOfUnit(unit) !== label) labels.set(unit, label); else labels.delete(unit);
  keepLabels();
  showLabels([unit]);
  announce(`Unit ${idOf(unit)}: ${labelOfUnit(unit) || "no label"}`);
}

function showLabels(units) {
  if (units) units.forEach(unit => unitTable.renew(unit)); else unitTable.renew();
  showLabelButtons();
  drawScatter();
}

function makeLabelButtons() {
  byId("unit-labels").replaceChildren(...LABELS.map(([name, key]) => {
    const made = button(name, () => setLabel(selectedUnit, name), `label-button ${name}`);
    made.append(" ", element("kbd", "", key));
    made.setAttribute("aria-keyshortcuts", key);
    return made;
  }));
}

function showLabelButtons() {
  const label = labelOfUnit(selectedUnit);
  LABELS.forEach(([name], i) => byId("unit-labels").children[i].setAttribute("aria-pressed", name === label));
}

// SpikeInterface's curation format, version 2; ids as the sorting has them, numbers or texts.
function curation() {
  const ids = DATA.units.ids.map(id => DATA.units.are_integers ? Number(id) : id);
  return {
    format_version: "2",
    unit_ids: ids,
    label_definitions: { [CATEGORY]: { name: CATEGORY, label_options: LABELS.map(([name]) => name), exclusive: true } },
    manual_labels: [...labels].sort(([a], [b]) => a - b).map(([unit, label]) => ({ unit_id: ids[unit], labels: { [CATEGORY]: [label] } })),
    removed: [], merges: [], splits: [],
  };
}

async function openCuration(event) {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  try {
    const found = JSON.parse(await file.text()).manual_labels;
    if (!Array.isArray(found)) throw new Error("it has no manual_labels");
    let strange = 0;
    for (const entry of found) {
      const unit = DATA.units.ids.indexOf(String(entry.unit_id)), label = (entry.labels?.[CATEGORY] ?? entry[CATEGORY] ?? [])[0];
      const own = LABELS.find(([name]) => name === String(label).toLowerCase());
      if (unit >= 0 && own) labels.set(unit, own[0]); else strange++;
    }
    keepLabels();
    showLabels();
    tellLabels(`${file.name}: ${plural(found.length - strange, "label")} taken${strange ? `, ${strange} of unknown units or labels left out` : ""}.`);
  } catch (error) {
    tellLabels(`${file.name} cannot be used: ${error.message}.`);
  }
}

function applyPreset() {
  const preset = DATA.presets.find(candidate => candidate.name === byId("preset").value);
  const units = allUnits.filter(unit => !labelOfUnit(unit) && LABELS.some(([name]) => name === preset.labels[unit]));
  for (const unit of units) labels.set(unit, preset.labels[unit]);
  keepLabels();
  showLabels();
  tellLabels(`${plural(units.length, "unit")} labelled by ${preset.name}.`);
}

function startLabels() {
  readKeptLabels();
  makeLabelButtons();
  setOptions(byId("preset"), DATA.presets.map(preset => [preset.name, preset.name]), DATA.presets[0]?.name ?? "");
  const tellPreset = () => explain(byId("preset").closest("label"), DATA.presets.find(preset => preset.name === byId("preset").value)?.meaning);
  byId("preset").addEventListener("change", tellPreset);
  byId("preset").closest("label").hidden = byId("apply-preset").hidden = !DATA.presets.length;
  tellPreset();
  byId("apply-preset").addEventListener("click", applyPreset);
  byId("save-curation").addEventListener("click", () => saveFile(fileName("curation", DATA.recording_name, "json"), "application/json", JSON.stringify(curation(), null, 2)));
  byId("open-curation").addEventListener("change", openCuration);
  byId("clear-labels").addEventListener("click", () => {
    if (!labels.size || !window.confirm(`Remove ${plural(labels.size, "label")}?`)) return;
    labels.clear();
    keepLabels();
    showLabels();
  });
  tellLabels();
}
