/** The session has ended: neither the token nor the refresh token serves any more. */
export class SignInExpired extends Error {
  override readonly name = 'SignInExpired';
}
