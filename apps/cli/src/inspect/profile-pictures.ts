import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeFileAtomically } from '@thermocline/contracts';
import { callerPath } from '../paths.js';
import { note } from '../terminal.js';
import { UsageError } from '../usage-error.js';
import type { ProfileReport } from './profile.js';

export interface PicturePaths {
  html: string | undefined;
  svg: string | undefined;
}

/** Writes the pictures that were asked for; never over the profile itself. */
export async function writePictures(
  source: string,
  { profile, summary }: ProfileReport,
  { html, svg }: PicturePaths,
): Promise<void> {
  const targets = [html, svg].flatMap((path) => (path === undefined ? [] : [callerPath(path)]));
  if (targets.some((path) => path === resolve(source)) || new Set(targets).size < targets.length) {
    throw new UsageError(`${targets.join(' and ')}: a picture needs a file of its own.`);
  }
  for (const target of targets) await requirePicture(target);
  if (html !== undefined) {
    const { profilePage } = await import('../charts/profile-page.js');
    await write(callerPath(html), await profilePage(profile, summary));
  }
  if (svg !== undefined) {
    const { profileFigure } = await import('../charts/profile-figure.js');
    await write(callerPath(svg), await profileFigure(profile, summary));
  }
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
