// A table of many rows: sort, choose columns, keep as csv. Used by every page that lists things.
// Only rows near the visible part are in the page (all of them in print), so hundreds cost nothing.
const ROW_HEIGHT = 26, ROWS_AROUND = 15; // the style sheet sets the same height
const collator = new Intl.Collator("en", { numeric: true }); // names as people count: unit2 before unit10

class DataTable {
  // columns: {name, unit, meaning, source, threshold, isText, read(row), and where wanted: stored(row), its value in the
  // unit of stored results; why(row), why it is missing; className(row)}; in a box that scrolls.
  constructor(box, { columns, numRows, label, onChoose }) {
    Object.assign(this, { box, numRows, onChoose, columns, all: columns, rows: Array.from({ length: numRows }, (_, i) => i),
      isWanted: () => true, sorted: null, isDescending: false, chosen: null, areAllShown: false, made: new Map() });
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", `${label}; arrow keys move between rows`);
    this.table = element("table", "data-table");
    this.table.setAttribute("aria-label", label);
    this.table.append(element("thead"), element("tbody"));
    box.replaceChildren(this.table);
    box.addEventListener("scroll", () => this.fill(), { passive: true });
    box.addEventListener("keydown", event => this.onKey(event));
    this.body.addEventListener("click", event => {
      const row = event.target.closest("tr[data-row]");
      if (row) onChoose(Number(row.dataset.row));
    });
    this.setColumns(columns);
  }

  get body() { return this.table.tBodies[0]; }

  setColumns(columns) {
    this.columns = columns;
    this.made.clear();
    const head = element("tr");
    head.append(...columns.map(column => this.header(column)));
    this.table.tHead.replaceChildren(head);
    this.setWidths();
    this.markSorted();
    this.fill();
  }

  header(column) {
    const cell = element("th"), made = button("", () => this.sortBy(column));
    made.dataset.column = column.name;
    made.append(column.name, " ", element("span", "arrow"), element("small", "", column.unit || "\u00a0"));
    cell.scope = "col";
    explain(made, [column.meaning, column.unit && `In ${column.unit}.`, column.source && `Source: ${column.source}.`,
      column.threshold && `Wanted: ${column.threshold.text} (${column.threshold.source}).`].filter(Boolean).join(" "));
    cell.append(made);
    return cell;
  }

  // Fixed widths: with rows coming and going, the browser's own would jump.
  setWidths() {
    const columns = element("colgroup");
    let total = 0;
    for (const column of this.columns) {
      const longest = column.isText ? Math.max(0, ...Array.from({ length: this.numRows }, (_, row) => column.read(row).length)) : 8;
      const width = Math.min(26, Math.max(longest, column.name.length + 2)) * 7 + 20, made = element("col");
      made.style.width = `${width}px`;
      columns.append(made);
      total += width;
    }
    this.table.querySelector("colgroup")?.remove();
    this.table.prepend(columns);
    this.table.style.width = `${total}px`;
  }

  makeRow(row) {
    const made = element("tr");
    made.dataset.row = row;
    made.append(...this.columns.map((column, i) => {
      const value = column.read(row), cell = element(i ? "td" : "th", column.className?.(row) ?? "", column.isText ? value : format(value));
      if (!i) cell.scope = "row";
      if (isMissing(value)) {
        if (!column.isText) cell.classList.add("absent");
        explain(cell, column.why?.(row));
      } else if (column.threshold && judge(column.threshold, value) === "fail") cell.classList.add("failing");
      return cell;
    }));
    return made;
  }

  // The rows' values changed.
  renew(row) {
    if (row === undefined) this.made.clear(); else this.made.delete(row);
    this.fill();
  }

  sortBy(column) {
    this.isDescending = this.sorted === column ? !this.isDescending : !column.isText;
    this.sorted = column;
    this.markSorted();
    this.filter(this.isWanted);
    announce(`Sorted by ${column.name}, ${this.isDescending ? "descending" : "ascending"}.`);
  }

  markSorted() {
    this.table.tHead.querySelectorAll("th").forEach((cell, i) => {
      const isSorted = this.columns[i] === this.sorted;
      cell.querySelector(".arrow").textContent = isSorted ? (this.isDescending ? "▼" : "▲") : "";
      if (isSorted) cell.setAttribute("aria-sort", this.isDescending ? "descending" : "ascending"); else cell.removeAttribute("aria-sort");
    });
  }

  // Missing values last, whichever way.
  compare(a, b) {
    const column = this.sorted, first = column.read(a), second = column.read(b), sign = this.isDescending ? -1 : 1;
    if (isMissing(first) || isMissing(second)) return isMissing(first) - isMissing(second) || a - b;
    return sign * (column.isText ? collator.compare(first, second) : first - second) || a - b;
  }

  // Show the rows for which `isWanted(row)` holds; their number.
  filter(isWanted) {
    this.isWanted = isWanted;
    this.rows = Array.from({ length: this.numRows }, (_, i) => i).filter(isWanted);
    if (this.sorted) this.rows.sort((a, b) => this.compare(a, b));
    this.fill();
    return this.rows.length;
  }

  fill() {
    const { box, rows, areAllShown } = this, number = rows.length;
    const first = areAllShown ? 0 : Math.max(0, Math.min(Math.floor(box.scrollTop / ROW_HEIGHT), number) - ROWS_AROUND);
    const last = areAllShown ? number : Math.min(number, first + Math.ceil(box.clientHeight / ROW_HEIGHT) + 2 * ROWS_AROUND);
    const room = height => {
      const row = element("tr", "room"), cell = element("td");
      row.setAttribute("aria-hidden", "true");
      cell.colSpan = this.columns.length;
      cell.style.height = `${height * ROW_HEIGHT}px`;
      row.append(cell);
      return row;
    };
    this.table.setAttribute("aria-rowcount", number + 1);
    this.body.replaceChildren(...(first ? [room(first)] : []), ...rows.slice(first, last).map((row, i) => this.rowElement(row, first + i)),
      ...(last < number ? [room(number - last)] : []));
  }

  rowElement(row, place) {
    if (!this.made.has(row)) this.made.set(row, this.makeRow(row));
    const made = this.made.get(row);
    made.setAttribute("aria-rowindex", place + 2);
    if (row === this.chosen) made.setAttribute("aria-current", "true"); else made.removeAttribute("aria-current");
    return made;
  }

  showAll(areAll) { this.areAllShown = areAll; this.fill(); }

  // Mark a row as the one chosen, and scroll to it within the box.
  choose(row, isScrolled = true) {
    const { box } = this, at = this.rows.indexOf(row) * ROW_HEIGHT, room = box.clientHeight - this.table.tHead.offsetHeight;
    if (isScrolled && at >= 0) {
      if (at < box.scrollTop) box.scrollTop = at;
      else if (at + ROW_HEIGHT > box.scrollTop + room) box.scrollTop = at + ROW_HEIGHT - room;
    }
    this.body.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
    this.chosen = row;
    const made = this.made.get(row);
    if (made?.isConnected) made.setAttribute("aria-current", "true"); else this.fill();
  }

  // Choose the row `step` further on among those shown.
  move(step) {
    if (!this.rows.length) return;
    const at = this.rows.indexOf(this.chosen);
    this.onChoose(this.rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), this.rows.length - 1)]);
  }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_HEIGHT) - 2);
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -this.numRows, End: this.numRows }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.move(step);
  }

  // The rows and columns shown, in the units in which results are stored.
  csv() {
    const cells = row => this.columns.map(column => {
      const value = column.read(row);
      return isMissing(value) ? "" : column.isText ? csvText(value) : String(column.stored ? column.stored(row) : value);
    });
    return [this.columns.map(column => csvText(column.name)), ...this.rows.map(cells)].map(line => line.join(",")).join("\r\n") + "\r\n";
  }
}

// A text that a spreadsheet would run as a formula gets an apostrophe before it.
function csvText(text) {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
