/** Types of the part of the standard library's assertions that the tests use. */

/** What a failed assertion throws. */
export class AssertionError extends Error {}

/** Fails unless `condition` is truthy. */
export function assert(condition: unknown, message?: string): asserts condition;
/** Fails unless `condition` is falsy. */
export function assertFalse(condition: unknown, message?: string): asserts condition is false;
/** Fails unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void;
/** Fails if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
/** Fails unless both are the same by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T;
/** Fails if both are the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void;
/** Fails unless they differ by less than the tolerance. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void;
/** Fails if the value is null or undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void;
/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void;
/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
/** Fails unless the text matches. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void;
/** Fails if the text matches. */
export function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
/** Fails unless the text contains the other one. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void;
/** Fails unless all of `expected` are in `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void;
/** Fails unless `actual` has all of `expected`. */
export function assertObjectMatch(
  actual: Record<PropertyKey, unknown>,
  expected: Record<PropertyKey, unknown>,
): void;
// deno-lint-ignore no-explicit-any
type Constructor<T> = abstract new (...args: any[]) => T;
/** Fails unless `actual` is an instance. */
export function assertInstanceOf<T>(
  actual: unknown,
  expected: Constructor<T>,
  message?: string,
): asserts actual is T;
/** Fails unless `error` is an error of the class whose message includes the text. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Constructor<E>,
  messageIncludes?: string | RegExp,
  message?: string,
): asserts error is E;
/** Fails unless `action` throws. */
export function assertThrows(action: () => unknown, message?: string): unknown;
/** Fails unless `action` throws an error of the class whose message includes the text. */
export function assertThrows<E extends Error = Error>(
  action: () => unknown,
  ErrorClass: Constructor<E>,
  messageIncludes?: string,
  message?: string,
): E;
/** Fails unless `action` rejects. */
export function assertRejects(
  action: () => PromiseLike<unknown>,
  message?: string,
): Promise<unknown>;
/** Fails unless `action` rejects with an error of the class whose message includes the text. */
export function assertRejects<E extends Error = Error>(
  action: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E>;
/** Whether both are deeply equal. */
export function equal(a: unknown, b: unknown): boolean;
/** Fails. */
export function fail(message?: string): never;
/** Fails, since it cannot be reached. */
export function unreachable(): never;
