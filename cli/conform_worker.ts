/** Judges one part of the checks, for `conform.ts`. */
import { judge } from "../conformance/judge.ts";
import type { Job } from "./conform.ts";

/** The worker's side of its channel. */
interface Channel {
  onmessage: ((event: MessageEvent<Job>) => void) | null;
  postMessage(message: unknown): void;
}

const channel = self as unknown as Channel;
channel.onmessage = async ({ data: { image, options } }) => {
  channel.postMessage(await judge(image, options));
};
