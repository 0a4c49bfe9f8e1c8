import { expect, test } from 'vitest';

import { perSecond, quantile, scrapeOf } from './metrics';

const scrape = (deliveries: number, quick: number, slow: number) => scrapeOf(`# HELP x y
# TYPE fanwave_gateway_deliveries counter
fanwave_gateway_deliveries_total ${deliveries}
fanwave_gateway_reactor_sockets{reactor="0"} 4
fanwave_gateway_reactor_sockets{reactor="1"} 3
fanwave_gateway_sweep_lag_seconds_bucket{le="0.001"} ${quick}
fanwave_gateway_sweep_lag_seconds_bucket{le="0.256"} ${quick + slow}
fanwave_gateway_sweep_lag_seconds_bucket{le="+Inf"} ${quick + slow}
not a metric
`);

test('figures are what was between two scrapes', () => {
  const [before, after] = [scrape(100, 10, 0), scrape(600, 100, 10)];
  expect(after.sums.get('fanwave_gateway_reactor_sockets')).toBe(7);
  expect(perSecond(before, after, 'fanwave_gateway_deliveries_total', 5)).toBe(100);
  expect(perSecond(after, before, 'fanwave_gateway_deliveries_total', 5)).toBeNull();
  expect(perSecond(before, after, 'no_such', 5)).toBeNull();
  expect(quantile(before, after, 'fanwave_gateway_sweep_lag_seconds', 0.5)).toBe(0.001);
  expect(quantile(before, after, 'fanwave_gateway_sweep_lag_seconds', 0.99)).toBe(0.256);
  expect(quantile(after, after, 'fanwave_gateway_sweep_lag_seconds', 0.99)).toBeNull();
  expect(quantile(before, after, 'no_such', 0.5)).toBeNull();
});

test('anything else is no figure', () => {
  expect(scrapeOf('<html>no</html>').sums.size).toBe(0);
  expect(scrapeOf('').buckets.size).toBe(0);
});
