import type { ReactNode } from 'react';

interface BarChartProps {
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

const [BAR, GAP, HEIGHT] = [10, 2, 100];

/**
 * Bars without numbers. They are hidden from screen readers: the table beside them has the same
 * values.
 */
export function BarChart({ bars }: BarChartProps): ReactNode {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const width = bars.length * (BAR + GAP);
  return (
    <svg className="bars" aria-hidden="true" viewBox={`0 0 ${width} ${HEIGHT}`} preserveAspectRatio="none">
      {bars.map(({ name, value }, at) => {
        const height = (value / most) * HEIGHT;
        return (
          <rect key={name} x={at * (BAR + GAP)} y={HEIGHT - height} width={BAR} height={height}>
            <title>{`${name}: ${value.toLocaleString()}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
