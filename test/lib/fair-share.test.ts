import { describe, expect, test } from '@jest/globals';
import { FairShare } from '../../src/lib/fair-share.ts';

const taken = (share: FairShare, holder: string, times: number): number =>
  Array.from({ length: times }, () => share.take(holder, 1)).filter(Boolean).length;

describe('a fair share', () => {
  test('gives one holder half of the whole, and no more', () => {
    const share = new FairShare(100);
    expect(taken(share, 'contoso', 100)).toBe(50);
  });

  test('then gives others up to a quarter each, until it is full', () => {
    const share = new FairShare(100);
    taken(share, 'contoso', 100);
    expect(taken(share, 'fabrikam', 100)).toBe(25);
    expect(taken(share, 'northwind', 100)).toBe(25);
    expect(taken(share, 'adatum', 100)).toBe(0);
  });

  test('refuses the largest holder until it is below its share, although there is room', () => {
    const share = new FairShare(100);
    taken(share, 'contoso', 100);
    taken(share, 'fabrikam', 20);
    for (let time = 0; time < 15; time += 1) share.give('contoso', 1);
    expect([taken(share, 'contoso', 1), taken(share, 'fabrikam', 1)]).toEqual([0, 1]);
    for (let time = 0; time < 20; time += 1) share.give('contoso', 1);
    expect(taken(share, 'contoso', 1)).toBe(1);
  });

  test('gives a new holder any amount that fits, and no holder more than fits', () => {
    const share = new FairShare(100);
    taken(share, 'contoso', 50);
    expect([share.take('fabrikam', 51), share.take('fabrikam', 40), share.take('fabrikam', 1)]).toEqual([
      false,
      true,
      false,
    ]);
    expect([share.hasRoomFor(10), share.hasRoomFor(11)]).toEqual([true, false]);
  });
});
