/** Returns whether this page is the end of a sign-in in a window, for which another page waits. */
export function isAnswerOfWindow(hash: string): boolean {
  const state = new URLSearchParams(hash.slice(1)).get('state') ?? '';
  return interactionOf(state.split('|')[0] ?? '') === 'popup';
}

/** Returns what MSAL wrote into the state that Entra has sent back: a part in base64, its own. */
function interactionOf(state: string): unknown {
  try {
    const { meta } = JSON.parse(atob(state.replaceAll(/[- ]/g, '+').replaceAll('_', '/')));
    return meta?.interactionType;
  } catch {
    return undefined;
  }
}
