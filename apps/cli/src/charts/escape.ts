import { oneLine } from '../terminal.js';

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text of a file, safe inside a page or a picture. */
export function escapeMarkup(text: string, width = 200): string {
  return oneLine(text, width).replace(/[&<>"']/g, (sign) => ENTITIES[sign] as string);
}
