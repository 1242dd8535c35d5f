// The page of many recordings: its table is in the page already; here it is sorted.
const names = new Intl.Collator("en", { numeric: true });
const head = document.querySelector("#recordings thead tr"), body = document.querySelector("#recordings tbody");

function sortBy(place) {
  const cell = head.cells[place], isNumber = cell.firstElementChild.dataset.kind === "number";
  const isDescending = cell.getAttribute("aria-sort") ? cell.getAttribute("aria-sort") === "ascending" : isNumber;
  const valueOf = row => row.cells[place].dataset.value;
  const compare = (a, b) => {
    const first = valueOf(a), second = valueOf(b);
    if (!first || !second) return (first === "") - (second === ""); // missing values last, whichever way
    return (isDescending ? -1 : 1) * (isNumber ? first - second : names.compare(first, second));
  };
  body.append(...Array.from(body.rows).sort(compare));
  for (const other of head.cells) { other.removeAttribute("aria-sort"); const arrow = other.querySelector(".arrow"); if (arrow) arrow.textContent = ""; }
  cell.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
  cell.querySelector(".arrow").textContent = isDescending ? "▼" : "▲";
  document.getElementById("announcement").textContent = `Sorted by ${cell.textContent.trim()}, ${isDescending ? "descending" : "ascending"}.`;
}

document.documentElement.dataset.ready = "yes";
Array.from(head.cells).forEach((cell, place) => cell.querySelector("button")?.addEventListener("click", () => sortBy(place)));
