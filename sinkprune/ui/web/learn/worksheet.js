// The worksheet as a list of tasks, on the page and on paper. Tasks: sinkprune/recorded/worksheet.py.

export function sheet(tasks, home, { lines, answers = false }) {
  const list = document.createElement("ol");
  list.append(...tasks.map((task) => item(task, home, lines, answers)));
  return list;
}

// kind: "students" or "teacher". The sheet stands beside the page while the browser prints it.
export function printSheet(tasks, home, kind, model) {
  const teacher = kind === "teacher";
  const paper = document.createElement("div");
  paper.className = "ls-print";
  const title = document.createElement("h1");
  title.textContent = teacher ? "Attention sinks: answers for the teacher" : "Attention sinks: how a language model writes, and what pruning does";
  const about = document.createElement("p");
  about.textContent = teacher
    ? `Answers are read off the recordings of the model “${model}”. Live runs of other prompts give other numbers.`
    : "Open each scene by its address. Step with the arrow keys; Space plays and pauses.";
  paper.append(title, ...(teacher ? [] : [nameLine()]), about, sheet(tasks, home, { lines: !teacher, answers: teacher }));
  document.querySelector(".ls-print")?.remove();
  document.body.append(paper);
  document.body.classList.add("ls-printing");
  addEventListener("afterprint", () => { document.body.classList.remove("ls-printing"); paper.remove(); }, { once: true });
  print();
}

function item({ title, text, link, lines: room, answer }, home, lines, answers) {
  const one = document.createElement("li");
  const head = document.createElement("h3");
  head.textContent = `${title}. `;
  const task = document.createElement("p");
  task.append(head, text);
  one.append(task);
  if (link) {
    const place = document.createElement("p");
    place.className = "ls-address";
    const anchor = document.createElement("a");
    anchor.href = home + link;
    anchor.textContent = home + link;
    place.append("Scene: ", anchor);
    one.append(place);
  }
  if (answers) {
    const solution = document.createElement("p");
    solution.className = "ls-solution";
    solution.textContent = answer;
    one.append(solution);
  }
  if (lines) {
    for (let line = 0; line < room; line += 1) {
      const rule = document.createElement("span");
      rule.className = "ls-line";
      one.append(rule);
    }
  }
  return one;
}

function nameLine() {
  const line = document.createElement("p");
  line.className = "ls-name";
  line.append("Name", document.createElement("span"), "Class", document.createElement("span"));
  return line;
}
