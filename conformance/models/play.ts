/**
 * Plays random sequences of moves with a kernel and shrinks one that fails to the shortest. A move
 * is generated as plain numbers; what it does is decided when its turn comes, from the model. Spec: specs/conformance/models/play.md.
 */
import type { Snapshot } from "../../machine/machine.ts";
import { type Chance, Failure } from "../check.ts";
import type { Arbitrary, Command, RunDetails } from "../packages/fast_check.ts";
import { Ended } from "./guest.ts";
import { functionsWithResults } from "./results.ts";
import type { Subject } from "../subject.ts";

/** The package for random testing. */
export type Random = typeof import("../packages/fast_check.ts").default;
/** What generates values of a type. */
export type Source<T> = Arbitrary<T>;

/** A step of a sequence. */
export type Move<World> = (world: World) => void;

/** What a model starts with. */
export interface Stage {
  /** The kernel. */
  readonly subject: Subject;
  /** What brought it here, as a report prints it. */
  readonly prepared: readonly string[];
  /** Functions whose result means something although the ABI does not say so. */
  readonly results: ReadonlySet<string>;
}

/** What is played. */
export interface Game<World> {
  /** Names the game in the path that replays a sequence: no slash in it. */
  readonly name: string;
  /** Most moves in a sequence. */
  readonly moves: number;
  /** Part of the runs asked for that it does: less than 1 for slow ones. */
  readonly share?: number;
  /** Brings the kernel, once, to where every sequence starts; what it did, as a report prints it. */
  prepare?(subject: Subject): readonly string[];
  /** The model at the start of a sequence. */
  begin(stage: Stage): World;
  /** Functions that are called. */
  readonly needs: readonly string[];
  /** The kinds of move. */
  kinds(random: Random): readonly Source<Move<World>>[];
  /** Judges after every move. */
  judge?(world: World): void;
  /** Judges at the end of a sequence. */
  end?(world: World): void;
  /** Judges after a sequence that the kernel ended, by looking only: it can be called no more. */
  ended?(world: World): void;
}

/** Plays until something fails or all runs are done; a {@link Failure} has the shortest sequence. */
export async function play<World extends object>(
  subject: Subject,
  chance: Chance,
  game: Game<World>,
): Promise<void> {
  const { default: random } = await import("../packages/fast_check.ts");
  const results = functionsWithResults(subject, game.needs);
  const start = startOf(subject, game);
  const replay = replayOf(chance.path, game.name);
  const commands = random.commands(commandsOf(random, game), {
    maxCommands: game.moves,
    size: "max",
    replayPath: replay?.moves,
  });
  const property = random.property(commands, (sequence) => {
    start.restore();
    const world = game.begin({ subject, prepared: start.prepared, results });
    try {
      random.modelRun(() => ({ model: world, real: world }), sequence);
      game.end?.(world);
    } catch (reason) {
      if (!(reason instanceof Ended)) throw reason;
      game.ended?.(world);
    }
  });
  const { seed } = chance, numRuns = Math.max(1, Math.ceil(chance.runs * (game.share ?? 1)));
  const once = replay && { path: replay.path, numRuns: 1, endOnFailure: true };
  const found = random.check(property, { seed, numRuns, ...once });
  subject.fresh();
  if (found.failed) throw failureOf(found, game.name);
}

/** Where every sequence starts: the subject's own snapshot, or one after the preparation. */
function startOf<World extends object>(
  subject: Subject,
  game: Game<World>,
): { prepared: readonly string[]; restore(): void } {
  subject.fresh();
  if (!game.prepare) return { prepared: [], restore: () => subject.fresh() };
  const prepared = game.prepare(subject);
  const { machine } = subject, snapshot: Snapshot = machine.snapshot();
  return { prepared, restore: () => machine.restore(snapshot) };
}

/** Fast-check's commands from a game's moves. */
function commandsOf<World extends object>(
  random: Random,
  game: Game<World>,
): Source<Command<World, World>>[] {
  return game.kinds(random).map((kind) =>
    kind.map((move) => ({
      check: () => true,
      run: (world: World) => {
        move(world);
        game.judge?.(world);
      },
      toString: () => "",
    }))
  );
}

/** Path of a sequence: game, fast-check's path to the value, and which of its moves were made. */
function replayOf(
  path: string | undefined,
  name: string,
): { path: string; moves: string } | undefined {
  const parts = path?.match(/^([^/]+)\/([\d:]+)\/(.*)$/);
  return parts && parts[1] === name ? { path: parts[2], moves: parts[3] } : undefined;
}

function failureOf<T>(found: RunDetails<T>, name: string): Error {
  const error = found.errorInstance;
  if (!(error instanceof Failure)) return error as Error;
  const moves = `${found.counterexample}`.match(/replayPath="([^"]*)"/)?.[1] ?? "";
  const path = `${name}/${found.counterexamplePath}/${moves}`;
  const { expected, seen, calls, clauses } = error;
  return new Failure({ expected, seen, calls, clauses, path });
}
