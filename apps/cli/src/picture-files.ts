import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeFileAtomically } from '@thermocline/contracts';
import { callerPath } from './paths.js';
import { note } from './terminal.js';
import { UsageError } from './usage-error.js';

/** Where pictures go; those that were not asked for are missing. */
export interface PicturePaths {
  html?: string | undefined;
  svg?: string | undefined;
}

/** What can be drawn; the chart library is loaded when it is. */
export interface Pictures {
  page(): Promise<string>;
  figure(): Promise<string>;
}

/**
 * Refuses to draw over anything that is no picture, or is read. Commands that work for long ask
 * first.
 *
 * @param inputs - what the command reads, as absolute paths
 */
export async function requirePictureFiles(
  inputs: readonly string[],
  { html, svg }: PicturePaths,
): Promise<void> {
  const targets = [html, svg].flatMap((path) => (path === undefined ? [] : [callerPath(path)]));
  const read = inputs.map((path) => resolve(path));
  if (targets.some((path) => read.includes(path)) || new Set(targets).size < targets.length) {
    throw new UsageError(`${targets.join(' and ')}: a picture needs a file of its own.`);
  }
  for (const target of targets) await requirePicture(target);
}

/** Draws the pictures that were asked for. */
export async function writePictures(
  pictures: Pictures,
  { html, svg }: PicturePaths,
): Promise<void> {
  // Both are drawn before one is written: a picture that cannot be drawn leaves no file.
  const page = html !== undefined && (await pictures.page());
  const figure = svg !== undefined && (await pictures.figure());
  if (page) await write(callerPath(html), page);
  if (figure) await write(callerPath(svg), figure);
}

/** An older picture may be replaced, anything else not. */
async function requirePicture(path: string): Promise<void> {
  const begin = await readFile(path, 'latin1').catch(() => undefined);
  if (begin === undefined || /^\s*(<svg|<!doctype html|<\?xml)/i.test(begin)) return;
  throw new UsageError(`${path} is there and is no picture: write it to another file.`);
}

async function write(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, (append) => append(Buffer.from(text)));
  note(`written: ${path}`);
}
