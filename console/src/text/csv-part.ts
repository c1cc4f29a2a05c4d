/** Returns a page of CSV without its first line unless it is the first page. */
export const csvPart = (page: string, isFirst: boolean): string =>
  isFirst ? page : page.slice(page.indexOf('\n') + 1);
