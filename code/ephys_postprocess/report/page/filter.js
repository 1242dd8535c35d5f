// A filter as people write it: snr > 5 and not (presence_ratio is missing or 1 < firing_rate < 20).
// A comparison with a missing value is neither true nor false, so neither it nor its opposite shows a row.
const OPERATORS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "==": (a, b) => a === b, "!=": (a, b) => a !== b };
const SECONDS = { s: 1, ms: 1e-3, "µs": 1e-6, us: 1e-6 };
const SPELT = { um: "µm", uV: "µV", us: "µs", Hz: "spikes/s" };
const TOKEN = /"([^"]*)"|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?=\.\.|[\s<>=!(),&|]|$)|<=|>=|==|!=|\.\.|&&?|\|\|?|[<>=(),!]|[^\s<>=!(),&|"]+|"/g;

const both = (a, b) => row => { const first = a(row); return first === false ? false : first === null ? (b(row) === false ? false : null) : b(row); };
const either = (a, b) => row => { const first = a(row); return first === true ? true : first === null ? (b(row) === true ? true : null) : b(row); };
const opposite = a => row => { const found = a(row); return found === null ? null : !found; };

class FilterText {
  // columns: {name, unit, isText, read(row)}; words: {word: row => boolean}, such as "passes"; wordsOfColumn: {word:
  // column => row => boolean}, before the name of a column that has a threshold, as in "fails snr"; nameOf(row); numRows.
  constructor(text, { columns, words = {}, wordsOfColumn = {}, nameOf, numRows }) {
    Object.assign(this, { text, columns, words, wordsOfColumn, nameOf, numRows, at: 0 });
    this.tokens = [...text.matchAll(TOKEN)].map(found => ({
      text: found[0], start: found.index, isQuoted: found[1] !== undefined, name: found[1] ?? found[0],
      number: found[2] === undefined ? null : Number(found[2]) }));
  }

  compile() {
    const whole = this.text.trim();
    if (!whole) return () => true;
    if (!this.columnNamed(whole) && !this.words[whole.toLowerCase()] && this.hasName(whole)) return this.named(whole);
    const found = this.any();
    if (this.at < this.tokens.length) this.fail(this.at);
    return row => found(row) === true;
  }

  word() { const token = this.tokens[this.at]; return token && !token.isQuoted ? token.text.toLowerCase() : ""; }
  takes(...words) { return words.includes(this.word()) && !!++this.at; }
  fail(from, why = "") {
    const start = this.tokens[from]?.start ?? this.text.length, rest = this.text.slice(start).trim();
    throw new Error(`Did not understand ${rest ? `“${rest}”` : `the end of “${this.text.trim()}”`}${why ? `: ${why}` : "."}`);
  }

  any() { let found = this.every(); while (this.takes("or", "|", "||")) found = either(found, this.every()); return found; }
  every() {
    let found = this.one();
    for (;;) {
      const isJoined = this.takes("and", "&", "&&", ",");
      if (!isJoined && (this.at >= this.tokens.length || ["or", "|", "||", ")"].includes(this.word()))) return found;
      found = both(found, this.one());
    }
  }
  one() {
    if (this.takes("not", "!")) return opposite(this.one());
    if (this.takes("(")) {
      const found = this.any();
      if (!this.takes(")")) this.fail(this.at, "a closing bracket is missing.");
      return found;
    }
    return this.test();
  }

  columnNamed(name) { return this.columns.find(column => column.name.toLowerCase() === name.toLowerCase()); }
  test() {
    const from = this.at, token = this.tokens[this.at++];
    if (!token) this.fail(from);
    if (token.number !== null && OPERATORS[this.word()]) return this.reversed(from, token.number);
    const column = token.isQuoted ? null : this.columnNamed(token.text);
    if (column) return this.ofColumn(from, column);
    if (OPERATORS[this.word()] || ["is", "in", "between"].includes(this.word()))
      this.fail(from, `no column is called ${token.name}.${this.nearest(token.name)}`);
    const ofColumn = token.isQuoted ? null : this.wordsOfColumn[token.text.toLowerCase()], judged = ofColumn && this.columnNamed(this.word());
    if (judged?.threshold) { this.at++; return ofColumn(judged); }
    if (!token.isQuoted && this.words[token.text.toLowerCase()]) return this.words[token.text.toLowerCase()];
    if (/^[<>=(),!&|]+$/.test(token.text) || !this.hasName(token.name)) this.fail(from, "neither a comparison nor part of a name.");
    return this.named(token.name);
  }

  // 5 < snr, 5 < snr <= 10
  reversed(from, number) {
    const operator = this.tokens[this.at++].text, name = this.tokens[this.at++], column = name && this.columnNamed(name.text);
    if (!column) this.fail(from, "a column's name belongs after the sign.");
    const turned = { "<": ">", ">": "<", "<=": ">=", ">=": "<=" }[operator] ?? operator;
    const first = this.comparison(column, turned, number);
    return OPERATORS[this.word()] ? both(first, this.ofColumn(from, column)) : first;
  }

  ofColumn(from, column) {
    const operator = this.word();
    if (OPERATORS[operator]) { this.at++; return this.comparison(column, operator, this.value(from, column)); }
    if (this.takes("is")) {
      const isTurned = this.takes("not");
      if (!this.takes("missing")) this.fail(from, `“${column.name} is missing” or “is not missing” is what can be asked.`);
      return row => isMissing(column.read(row)) !== isTurned;
    }
    const isBetween = this.takes("between");
    if (!isBetween && !this.takes("in")) this.fail(from, `a comparison belongs after ${column.name}.`);
    let low = this.value(from, column);
    const isPlain = this.factor === null;
    if (!this.takes(isBetween ? "and" : "..")) this.fail(from, `“${column.name} in 5..10” is how ranges are written.`);
    const high = this.value(from, column);
    if (isPlain && this.factor !== null) low *= this.factor; // "in 500..520 µs" means µs twice
    return both(this.comparison(column, ">=", low), this.comparison(column, "<=", high));
  }

  value(from, column) {
    const token = this.tokens[this.at++];
    this.factor = null; // from the unit written to the column's
    if (!token) this.fail(from, "a value is missing at the end.");
    if (token.number === null) {
      if (!column.isText) this.fail(from, `${column.name} is compared with numbers.`);
      return token.name;
    }
    const unit = SPELT[this.tokens[this.at]?.text] ?? this.tokens[this.at]?.text, shown = column.unit;
    if (column.isText) return token.name;
    if (unit && unit === shown) this.factor = 1;
    else if (SECONDS[unit] && SECONDS[shown]) this.factor = SECONDS[unit] / SECONDS[shown];
    if (this.factor !== null) { this.at++; return token.number * this.factor; }
    if (SECONDS[unit] || ["µm", "µV", "mV", "mm", "%", "spikes/s"].includes(unit)) this.fail(from, `${column.name} is ${shown ? `in ${shown}` : "without a unit"}.`);
    return token.number;
  }

  comparison(column, operator, value) {
    const compare = OPERATORS[operator], isOrder = /[<>]/.test(operator);
    return row => {
      const found = column.read(row);
      if (isMissing(found)) return column.isText && operator === "!=" ? true : null;
      if (!column.isText) return compare(found, Number(value));
      return isOrder ? compare(Number(found), Number(value)) : compare(found.toLowerCase(), String(value).toLowerCase());
    };
  }

  hasName(name) { const isNamed = this.named(name); for (let row = 0; row < this.numRows; row++) if (isNamed(row)) return true; return false; }
  named(name) { const wanted = name.toLowerCase(); return row => this.nameOf(row).toLowerCase().includes(wanted); }
  nearest(name) {
    const wanted = name.toLowerCase();
    const found = this.columns.find(column => column.name.startsWith(wanted)) ?? this.columns.find(column => column.name.includes(wanted));
    return found ? ` Did you mean ${found.name}?` : "";
  }
}

// A function of the row; throws an Error whose message says what was not understood.
const compileFilter = (text, about) => new FilterText(text, about).compile();
