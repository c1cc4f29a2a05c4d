import type { Request, Response } from 'express';
import { ServiceError } from '../../errors.ts';
import type { OnboardingLink } from '../../tenants/onboarding-links.ts';

/** A request whose link has been opened. */
export interface LinkRequest {
  readonly req: Request;
  readonly res: Response;
  readonly link: OnboardingLink;
  /** The path of the link's page. */
  readonly path: string;
  readonly requestId: string;
}

/** Returns the refusal of every link that does not open, whatever is wrong with it. */
export const notALink = (): ServiceError => new ServiceError('link-not-found', 'The link does not open');
