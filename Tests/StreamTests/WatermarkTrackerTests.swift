import Testing
import Time
import Trips

@testable import Stream

@Suite struct WatermarkTrackerTests {
    private func tracker(_ newest: [EventTime?], watermark: EventTime = .min) -> WatermarkTracker {
        WatermarkTracker(newest: newest, watermark: watermark, delayMs: 10, idleTimeoutMs: 100, nowMs: 0)
    }

    /// Takes times of one partition; gives the watermark that each meets, and whether some may be late.
    private func observe(
        _ tracker: inout WatermarkTracker, _ times: [EventTime], partition: Int = 0, nowMs: Int64 = 0
    ) -> (met: [EventTime], mayBeLate: Bool) {
        var met = [EventTime](repeating: 0, count: times.count)
        let (limit, floor) = (tracker.limit(besides: partition, nowMs: nowMs), tracker.watermark)
        let mayBeLate = times.withUnsafeBufferPointer { times in
            met.withUnsafeMutableBufferPointer { met in
                tracker.observe(
                    times.baseAddress!, rows: 0..<times.count, partition: partition, limit: limit, floor: floor,
                    nowMs: nowMs, into: met.baseAddress!)
            }
        }
        return (met, mayBeLate)
    }

    @Test func aRecordMeetsTheWatermarkOfThoseBeforeIt() {
        var tracker = tracker([nil])
        let (met, mayBeLate) = observe(&tracker, [100, 130, 120, 119, 150])
        #expect(met == [.min, 90, 120, 120, 120])
        #expect(mayBeLate)  // 119 lies before 120; 120 itself does not
        #expect(tracker.watermark == .min)
        tracker.advance(nowMs: 0)
        #expect(tracker.watermark == 140)
    }

    @Test func aRecordAtTheWatermarkIsOnTime() {
        var tracker = tracker([nil])
        #expect(!observe(&tracker, [130, 120]).mayBeLate)
        #expect(observe(&tracker, [119]).mayBeLate)
    }

    @Test func theWatermarkNeverGoesBack() {
        var tracker = tracker([50], watermark: 90)
        tracker.advance(nowMs: 0)
        #expect(tracker.watermark == 90)
        #expect(observe(&tracker, [60]).met == [90])
        tracker.advance(to: 80)
        #expect(tracker.watermark == 90)
        tracker.advance(to: 95)
        #expect(tracker.watermark == 95)
    }

    @Test func thePartitionFurthestBehindHoldsTheWatermark() {
        var tracker = tracker([nil, nil, nil])
        _ = observe(&tracker, [1000], partition: 0)
        #expect(tracker.holder(nowMs: 0) == 1)  // nothing seen yet is furthest behind
        tracker.advance(nowMs: 0)
        #expect(tracker.watermark == .min)
        _ = observe(&tracker, [500], partition: 1)
        _ = observe(&tracker, [700], partition: 2)
        tracker.advance(nowMs: 0)
        #expect(tracker.watermark == 490)
        #expect(tracker.holder(nowMs: 0) == 1)
        #expect(tracker.limit(besides: 1, nowMs: 0) == 690)
    }

    @Test func onePartitionReadAheadMakesNoRecordOfAnotherLate() {
        var tracker = tracker([100, 100])
        #expect(observe(&tracker, [5000, 120], partition: 0).met == [90, 90])
        #expect(!observe(&tracker, [95], partition: 1).mayBeLate)
    }

    @Test func anIdlePartitionHoldsNothingBackUntilItComesAgain() {
        var tracker = tracker([100, 100])
        _ = observe(&tracker, [1000], partition: 0, nowMs: 99)
        tracker.advance(nowMs: 99)
        #expect(tracker.watermark == 90)
        #expect(tracker.holder(nowMs: 99) == 1)
        tracker.advance(nowMs: 100)
        #expect(tracker.watermark == 990)
        #expect(tracker.holder(nowMs: 100) == 0)
        _ = observe(&tracker, [200], partition: 1, nowMs: 150)
        tracker.advance(nowMs: 150)
        #expect(tracker.watermark == 990)
        #expect(tracker.holder(nowMs: 150) == 1)
    }

    @Test func aPartitionWithUnreadRecordsIsNotIdleHoweverLongWeWereHeldUp() {
        var tracker = tracker([100, 100])
        _ = observe(&tracker, [1000], partition: 0, nowMs: 900)
        tracker.touch(partition: 1, nowMs: 900)
        tracker.advance(nowMs: 900)
        #expect(tracker.watermark == 90)
    }

    @Test func whereAllAreIdleTheWatermarkStays() {
        var tracker = tracker([100, 400])
        tracker.advance(nowMs: 5000)
        #expect(tracker.watermark == .min)
        #expect(tracker.holder(nowMs: 5000) == nil)
        #expect(tracker.limit(besides: 0, nowMs: 5000) == .max)
    }

    @Test func aFinishedPartitionHoldsNothingBack() {
        var tracker = tracker([nil, 300])
        tracker.finish(partition: 0)
        tracker.advance(nowMs: 0)
        #expect(tracker.watermark == 290)
        #expect(tracker.holder(nowMs: 0) == 1)
    }

    @Test func whatAWorkerSawOfItsPartitionIsTakenOver() {
        var tracker = tracker([100, 100])
        var other = tracker
        _ = observe(&other, [900], partition: 1, nowMs: 7)
        tracker.take(1, from: other)
        #expect(tracker.partitions.map(\.newest) == [100, 900])
        #expect(tracker.partitions[1].lastArrivalMs == 7)
    }
}
