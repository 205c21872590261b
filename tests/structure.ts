/** The project's own conventions as checks: each reads a tree of files and lists what breaks a rule. */

/** Text by path from the root; files that are not text have an empty one. */
export type Tree = ReadonlyMap<string, string>;

const ROOT = new URL("../", import.meta.url);
const TEXT = /(\.(ts|md|json|trace|c|S|sh|yml)|^LICENSE|Makefile|\.ci\/run)$/;
const OUTSIDE = new Set([".git", ".scratch", "node_modules", "coverage"]);

/** Rooms whose every module has a specification, a test and a golden trace. */
const PAIRED = ["isa", "cpu", "devices", "machine", "kernel"];

/** Modules without behaviour of their own, and why. */
export const EXEMPT: ReadonlyMap<string, string> = new Map([
  ["devices/device", "types only"],
  ["isa/instruction", "types only"],
  ["isa/machine", "types only"],
  ["cpu/interpreter_wasm", "built from cpu/interpreter_build.ts"],
]);

/** What each room may import besides itself; rooms that are not named may import anything. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  isa: [],
  trace: [],
  devices: [],
  kernel: [],
  cpu: ["isa"],
  toolchain: ["isa"],
  machine: ["cpu", "devices"],
  conformance: ["machine", "trace"],
};

/** The rooms whose `packages` folder may name packages, and which; nothing else in a room may. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  toolchain: /^npm:(assemblyscript|binaryen)@/,
  conformance: /^npm:fast-check@/,
};

const FORBIDDEN_FOLDERS = ["utils", "util", "misc", "common", "helpers", "lib", "shared"];

/** Reads the project's files. */
export async function readTree(root: URL = ROOT): Promise<Tree> {
  const tree = new Map<string, string>();
  async function visit(folder: string): Promise<void> {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = folder + entry.name;
      if (entry.isDirectory && !OUTSIDE.has(entry.name)) await visit(`${path}/`);
      else if (entry.isFile) {
        tree.set(path, TEXT.test(path) ? await Deno.readTextFile(new URL(path, root)) : "");
      }
    }
  }
  await visit("");
  return new Map([...tree].sort(([a], [b]) => a < b ? -1 : 1));
}

function roomOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

function modules(tree: Tree, ...rooms: string[]): string[] {
  return [...tree.keys()].filter((path) => path.endsWith(".ts") && rooms.includes(roomOf(path)));
}

/** Every module of the paired rooms has a specification, a test and a golden trace. */
export function unpaired(tree: Tree): string[] {
  const stems = modules(tree, ...PAIRED).map((path) => path.slice(0, -3));
  const missing = stems.filter((stem) => !EXEMPT.has(stem)).flatMap((stem) =>
    [`specs/${stem}.md`, `tests/${stem}_test.ts`, `fixtures/${stem}.trace`]
      .filter((path) => !tree.has(path)).map((path) => `${stem}.ts has no ${path}`)
  );
  const idle = [...EXEMPT.keys()].filter((stem) => !stems.includes(stem));
  return [...missing, ...idle.map((stem) => `the exemption of ${stem} is of no use`)];
}

/** Specifications that describe neither a module nor, as their tests show, data. */
export function orphanSpecifications(tree: Tree): string[] {
  const cited = citations(tree);
  return [...tree.keys()]
    .filter((path) => path.startsWith("specs/") && PAIRED.includes(path.split("/")[1]))
    .filter((path) => !tree.has(`${path.slice("specs/".length, -".md".length)}.ts`))
    .filter((path) => !clausesOf(tree.get(path)!).some((id) => cited.has(id)))
    .map((path) => `${path} specifies a module that does not exist`);
}

interface Clause {
  readonly id: string;
  readonly path: string;
}

function clausesOf(specification: string): string[] {
  return [...specification.matchAll(/^- \*\*([A-Z][A-Z0-9-]*-[0-9]+)\*\*/gm)].map(([, id]) => id);
}

function clauses(tree: Tree): Clause[] {
  return [...tree].filter(([path]) => path.startsWith("specs/") && path.endsWith(".md"))
    .flatMap(([path, text]) => clausesOf(text).map((id) => ({ id, path })));
}

/** Clauses whose id is not their file's stem and a number, or that two places define. */
export function misnamedClauses(tree: Tree): string[] {
  const seen = new Map<string, string>(), problems: string[] = [];
  for (const { id, path } of clauses(tree)) {
    const stem = path.split("/").at(-1)!.slice(0, -3).toUpperCase().replaceAll("_", "-");
    const room = path.split("/").at(-2)!.toUpperCase(); // KERNEL-PIC where two rooms have a pic
    const name = id.replace(/-[0-9]+$/, "");
    if (name !== stem && name !== `${room}-${stem}`) problems.push(`${path}: ${id} is no ${stem}`);
    if (seen.has(id)) problems.push(`${path}: ${id} is also defined in ${seen.get(id)}`);
    seen.set(id, path);
  }
  return problems;
}

/** Clauses in brackets at the end of a string, as in a test's name. */
const CITATION =
  /((?:\[[A-Z][A-Z0-9-]*-[0-9]+(?:, ?[A-Z][A-Z0-9-]*-[0-9]+)*\]\s?)+)["'`]\s*[,)\]:]/g;
const CLAUSE = /\b[A-Z][A-Z0-9-]*-[0-9]+\b/g;

function withoutComments(source: string): string {
  return source.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, "").replaceAll(/\s\/\/ .*$/gm, "");
}

/** Clauses cited in the names of tests, and where. */
function citations(tree: Tree): Map<string, string> {
  const cited = new Map<string, string>();
  for (const [path, text] of tree) {
    if (!path.startsWith("tests/") || !path.endsWith(".ts") || isAboutStructure(path)) continue;
    for (const [, ids] of withoutComments(text).matchAll(CITATION)) {
      for (const id of ids.match(CLAUSE)!) cited.set(id, path);
    }
  }
  return cited;
}

function isAboutStructure(path: string): boolean {
  return /^tests\/structure(_test)?\.ts$/.test(path); // their examples are no citations
}

/** Clauses that no test's name cites. */
export function untestedClauses(tree: Tree): string[] {
  const cited = citations(tree);
  return clauses(tree).filter(({ id }) => !cited.has(id))
    .map(({ id, path }) => `${path}: no test cites ${id}`);
}

/** Citations, in tests, traces and code, of clauses that no specification has. */
export function unknownClauses(tree: Tree): string[] {
  const defined = new Set(clauses(tree).map(({ id }) => id));
  const stems = new Set([...defined].map((id) => id.replace(/-[0-9]+$/, "")));
  const problems = [...citations(tree)].filter(([id]) => !defined.has(id))
    .map(([id, path]) => `${path} cites ${id}, which no specification has`);
  for (const [path, text] of tree) {
    if (isAboutStructure(path) || !/\.(ts|md|trace)$/.test(path)) continue;
    const ids = new Set(text.match(CLAUSE));
    for (const id of ids) {
      const known = stems.has(id.replace(/-[0-9]+$/, ""));
      if (known && !defined.has(id)) problems.push(`${path} names ${id}, which does not exist`);
    }
  }
  return [...new Set(problems)];
}

/** The specifiers that a module imports or exports from, its types included. */
export function importsOf(source: string): string[] {
  const statement = /^\s*(?:import|export)\s+(?:[\w$*{},\s]*?\sfrom\s+)?["']([^"']+)["']/gm;
  const dynamic = /\bimport\(\s*["']([^"']+)["']/g;
  const code = source.replaceAll(/^\s*\*.*$/gm, "");
  return [...code.matchAll(statement), ...code.matchAll(dynamic)].map(([, specifier]) => specifier);
}

function resolve(path: string, specifier: string): string {
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}

const HOST_ROOMS = [...Object.keys(ARROWS), "cli", "bench", "web", "tests", ""];

/** Imports against the arrows of the design. */
export function wrongImports(tree: Tree): string[] {
  return modules(tree, ...HOST_ROOMS).flatMap((path) =>
    importsOf(tree.get(path)!).map((specifier) => wrongImport(tree, path, specifier))
  ).filter((problem) => problem !== undefined);
}

function wrongImport(tree: Tree, path: string, specifier: string): string | undefined {
  if (isAboutStructure(path)) return undefined;
  const room = roomOf(path);
  if (!specifier.startsWith(".")) {
    const free = !(room in ARROWS) ||
      path.startsWith(`${room}/packages/`) && PACKAGES[room]?.test(specifier);
    return free ? undefined : `${path} imports the package ${specifier}`;
  }
  const target = resolve(path, specifier), other = roomOf(target);
  if (!tree.has(target)) return `${path} imports ${target}, which does not exist`;
  if (other === room) return undefined;
  const allowed = ARROWS[room]?.includes(other) ?? other !== "kernel";
  return allowed ? undefined : `${path} imports ${target}: ${room || "the root"} may not`;
}

/** Every file that `entry` loads, itself included, and the packages among its imports. */
export function moduleGraph(tree: Tree, entry: string): { files: string[]; packages: string[] } {
  const files = new Set<string>([entry]), packages = new Set<string>();
  for (const path of files) {
    for (const specifier of importsOf(tree.get(path) ?? "")) {
      if (specifier.startsWith(".")) files.add(resolve(path, specifier));
      else if (!specifier.startsWith("node:")) packages.add(`${path} imports ${specifier}`);
    }
  }
  return { files: [...files], packages: [...packages] };
}

/** Packages in `deno.json`, which every task would download, and in the graphs of the entries that must start in an empty cache without a download. */
export function packagesAtStart(tree: Tree): string[] {
  const { imports = {} } = JSON.parse(tree.get("deno.json")!) as {
    imports?: Record<string, string>;
  };
  const mapped = Object.values(imports).filter((target) => !target.startsWith("."));
  const entries = ["cli/boot.ts", "cli/run.ts", "mod.ts"].flatMap((entry) =>
    tree.has(entry) ? moduleGraph(tree, entry).packages : [`${entry} does not exist`]
  );
  return [...mapped.map((target) => `deno.json maps to the package ${target}`), ...entries];
}

/** Uses of Deno's own API outside the rooms that may use it. */
export function hostApi(tree: Tree): string[] {
  return modules(tree, ...Object.keys(ARROWS), "web", "")
    .filter((path) => /\bDeno\.[a-zA-Z]/.test(withoutComments(tree.get(path)!)))
    .map((path) => `${path} uses Deno's API`);
}

/** Folders whose name says nothing. */
export function namelessFolders(tree: Tree): string[] {
  const folders = new Set([...tree.keys()].flatMap((path) => path.split("/").slice(0, -1)));
  return FORBIDDEN_FOLDERS.filter((name) => folders.has(name))
    .map((name) => `a folder is called ${name}`);
}

/** Tasks that ask for every permission. */
export function greedyTasks(tree: Tree): string[] {
  const { tasks } = JSON.parse(tree.get("deno.json")!) as {
    tasks: Record<string, string | { command?: string }>;
  };
  return Object.entries(tasks)
    .filter(([, task]) => {
      const command = typeof task === "string" ? task : task.command ?? "";
      return /(^|\s)(-A|--allow-all)\b/.test(command) || /--allow-run(\s|$)/.test(command);
    })
    .map(([name]) => `the task ${name} asks for every permission`);
}

/** Places that exist on one machine only. */
export function machinePaths(tree: Tree): string[] {
  const pattern = /(^|[\s"'`(=])(\/(work|root|home|Users|tmp)\/[A-Za-z]|[A-Z]:\\)/m;
  return [...tree].filter(([path, text]) => !isAboutStructure(path) && pattern.test(text))
    .map(([path, text]) =>
      `${path} names a place of one machine: ${text.match(pattern)![0].trim()}`
    );
}

/** Every check by the rule that it enforces. */
export const RULES: Readonly<Record<string, (tree: Tree) => string[]>> = {
  "Every module has a specification, a test and a golden trace": unpaired,
  "Every specification has its module": orphanSpecifications,
  "Every clause is named after its file and defined once": misnamedClauses,
  "Every clause is cited by a test": untestedClauses,
  "Every cited clause exists": unknownClauses,
  "Imports follow the arrows of the design": wrongImports,
  "Booting needs no package": packagesAtStart,
  "Only cli, bench and tests use Deno's API": hostApi,
  "Folders are named after what is in them": namelessFolders,
  "Tasks ask for the permissions that they need": greedyTasks,
  "No file names a place of one machine": machinePaths,
};
