/** A picture with the sentence below it. */
export interface Chart {
  title: string;
  svg: string;
  caption: string;
  /** Takes the place of two. */
  wide?: boolean;
}
