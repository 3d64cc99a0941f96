// Steps 3 and 4: the norms of the inputs shown, and three grids of the same weights.

export function drawGrids(root, value) {
  const { columns, rows } = value;
  const grid = (name) => root.querySelector(`.ms-${name} .ms-grid`);
  for (const name of ["norms", "weights", "scores", "goes"]) grid(name).style.gridTemplateColumns = `repeat(${columns.length}, max-content)`;
  const top = Math.max(...value.normPlain, ...value.norm);
  grid("norms").replaceChildren(...columns.map((_, column) => normCell(value, column, top)));
  fill(grid("weights"), value, (row, column) => tone(Math.abs(value.weight[row][column]), value.weight.flat().map(Math.abs)));
  fill(grid("scores"), value, (row, column) => tone(value.score[row][column], value.score.flat()));
  fill(grid("goes"), value, (row, column, cell) => {
    const [goes, before] = [value.goes[row][column] === "1", value.goesPlain[row][column] === "1"];
    cell.classList.toggle("ms-gone", goes);
    cell.classList.toggle("ms-flip", goes !== before);
    cell.textContent = goes === before ? "" : goes ? "−" : "+";
  });
  for (const cell of root.querySelectorAll(`.ms-goes .ms-cell[data-row="${rows.indexOf(value.row)}"]`)) cell.classList.add("ms-row");
}

export function lightGrids(root, value, level, chosen) {
  const share = (column) => (chosen.token == null ? 0 : value.shares(level, chosen.token, column));
  const most = Math.max(...value.columns.map((_, column) => share(column)));
  for (const cell of root.querySelectorAll(".ms-grid .ms-cell")) {
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const norm = cell.parentElement.parentElement.classList.contains("ms-norms");
    const same = chosen.token == null && column === chosen.column;
    cell.classList.toggle("ms-here", same && row === chosen.row && !norm);
    cell.classList.toggle("ms-lit", norm && (same || (most > 0.02 && share(column) > most / 2)));
  }
}

function normCell(value, column, top) {
  const cell = makeCell(Math.max(0, value.rows.indexOf(value.row)), column);
  const [before, after] = [value.normPlain[column], value.norm[column]];
  const thick = document.createElement("i");
  thick.style.height = `${(50 * after) / top}px`;
  const thin = document.createElement("u");
  thin.style.height = `${(50 * before) / top}px`;
  const change = document.createElement("small");
  change.textContent = before ? Math.round(100 * (after / before - 1)) : 0;
  cell.append(thick, thin, change);
  return cell;
}

// draw(row, column, cell): a tone in per cent, or nothing where it changes the cell itself
function fill(grid, value, draw) {
  grid.replaceChildren(...value.rows.flatMap((_, row) => value.columns.map((__, column) => {
    const cell = makeCell(row, column);
    const shade = draw(row, column, cell);
    if (shade != null) cell.style.setProperty("--ms-tone", `${shade.toFixed(0)}%`);
    return cell;
  })));
}

function tone(number, all) {
  return 4 + (84 * number) / (Math.max(...all) || 1);
}

function makeCell(row, column) {
  const cell = document.createElement("i");
  cell.className = "ms-cell";
  cell.dataset.row = row;
  cell.dataset.column = column;
  return cell;
}
