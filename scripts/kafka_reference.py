"""What a stream's views must be, computed from the trips in the plainest way: no windows that close, no order, no partitions."""
import collections, datetime, json, zoneinfo
from decimal import Decimal

from kafka_lab import require

CHICAGO = zoneinfo.ZoneInfo("America/Chicago")


def trip_of(value):
    """The trip in a record; None where it is none."""
    try: trip = json.loads(value or "", parse_float=Decimal)
    except ValueError: return None
    return trip if isinstance(trip, dict) and "event_timestamp" in trip and "trip_id" in trip else None


def local(second):
    """A time as views have it."""
    text = datetime.datetime.fromtimestamp(second, CHICAGO).strftime("%Y-%m-%dT%H:%M:%S.000%z")
    return f"{text[:-2]}:{text[-2:]}"


def mean(sum, count):
    """In cents, half away from zero; None of nothing."""
    return None if count == 0 else (2 * sum + count) // (2 * count)


def expected(trips):
    """Rows of four views by name, computed in the plainest way: money in cents."""
    fares, days = collections.defaultdict(lambda: [0, 0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0, 0, 0, 0])
    areas, places = collections.Counter(), collections.Counter()
    for trip in trips:
        second = int(datetime.datetime.fromisoformat(trip["event_timestamp"]).timestamp())
        amounts = [None if trip.get(name) is None else int(trip[name] * 100) for name in ("fare", "tips", "trip_total")]
        fare, tips, total = (amount or 0 for amount in amounts)
        window = fares[local(second // 5 * 5)]
        for place, amount in enumerate((1, fare, tips, total)): window[place] += amount
        day = days[local(second)[:10]]
        for place, amount in enumerate((1, fare, tips, amounts[1] is not None, total, amounts[2] is not None)): day[place] += amount
        for counter, name in ((areas, "pickup_community_area"), (places, "pickup_centroid_location")):
            if trip.get(name) is None: continue
            # Hopping windows of 60 s every 30 s: each trip is in two.
            for start in (second // 30 * 30 - 30, second // 30 * 30): counter[local(start), trip[name]] += 1
    return {
        "sumfarewindow": [(start, *row) for start, row in fares.items()],
        "tripstotal": [(day, count, fare, mean(tips, tipped), mean(total, totalled)) for day, (count, fare, tips, tipped, total, totalled) in days.items()],
        "hotspotcommunitywindow": [(*key, count) for key, count in areas.items()],
        "hotspotwindow": [(*key, count) for key, count in places.items()],
    }


def cents(name): return f"CAST(round({name} * 100) AS INTEGER)"


COLUMNS = {
    "sumfarewindow": ["window_start", "trips", *(f"coalesce({cents(name)}, 0)" for name in ("total_fare", "tips_fare", "total_trip_total"))],
    "tripstotal": ["day", "trips_total", *(cents(name) for name in ("fare_total", "tips_avg", "trip_total_avg"))],
    "hotspotcommunitywindow": ["window_start", "pickup_community_area", "count"],
    "hotspotwindow": ["window_start", "pickup_centroid_location", "count"],
}


def check_views(database, trips, name):
    """Raises Mismatch with the first view of a tenant that is not what its trips make."""
    for view, rows in expected(trips).items():
        found, wanted = collections.Counter(database.execute(f"SELECT {', '.join(COLUMNS[view])} FROM {view}")), collections.Counter(rows)
        require(found == wanted, f"{name}: {view} has {list(found - wanted)[:2]} in place of {list(wanted - found)[:2]}")
