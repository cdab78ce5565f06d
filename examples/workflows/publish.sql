-- The whole file is one transaction, and running it again changes nothing.
CREATE TABLE IF NOT EXISTS bi_months (
    month TEXT PRIMARY KEY, trips INTEGER, fare REAL, tips REAL, fare_median REAL, busiest_area TEXT, partial INTEGER);

INSERT OR REPLACE INTO bi_months
SELECT a.period, a.trips, a.fare, a.tips, t.fare_p50, h.area_name, a.partial
FROM accumulated_metrics AS a
LEFT JOIN fare_trend AS t ON t.period_kind = 'month' AND t.period = a.period
LEFT JOIN area_hotspots AS h ON h.period_kind = 'month' AND h.period = a.period AND h.rank = 1
WHERE a.period_kind = 'month';
