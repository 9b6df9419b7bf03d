package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// QueueStats is how a queue did over some days.
type QueueStats struct {
	Queue connector.Text `json:"queue"`
	Name  connector.Text `json:"name"`
	// Counts by what is counted.
	Offered   int64 `json:"offered"`
	Answered  int64 `json:"answered"`
	Connected int64 `json:"connected"`
	Abandoned int64 `json:"abandoned"`
	Late      int64 `json:"late"`
	ShortRing int64 `json:"short_ring"`
	// AbandonedShare is abandoned ÷ answered, null if nothing was answered. It is a lower bound of what a regulator counts:
	// answering machines are in the answered calls, because the feed can't tell them from people.
	AbandonedShare *float64 `json:"abandoned_share"`
}

// MaxDays is the longest window that queues can be asked for.
const MaxDays = 366

// Queues sums up the counters of the last days, today (in UTC) included, by queue.
func (s Source) Queues(ctx context.Context, days int) ([]QueueStats, error) {
	if days < 1 || days > MaxDays {
		return nil, BadRequest(fmt.Sprintf("%d days: expected 1 to %d", days, MaxDays))
	}
	sums := map[string]map[connector.QueueCount]int64{}
	today := s.Now()
	for i := range days {
		counts, err := s.Store.Counts(ctx, outbox.DayOf(today.Add(-time.Duration(i)*24*time.Hour)))
		if err != nil {
			return nil, err
		}
		for name, n := range counts {
			if queue, what, ok := connector.ParseCountQueue(name); ok {
				if sums[queue] == nil {
					sums[queue] = map[connector.QueueCount]int64{}
				}
				sums[queue][what] += n
			}
		}
	}
	out := []QueueStats{}
	for _, queue := range slices.Sorted(maps.Keys(sums)) {
		n := sums[queue]
		stats := QueueStats{
			Queue: connector.Text(queue), Name: connector.Text(s.QueueName(queue)),
			Offered: n[connector.QueueOffered], Answered: n[connector.QueueAnswered], Connected: n[connector.QueueConnected],
			Abandoned: n[connector.QueueAbandoned], Late: n[connector.QueueLate], ShortRing: n[connector.QueueShortRings],
		}
		if stats.Answered > 0 {
			share := float64(stats.Abandoned) / float64(stats.Answered)
			stats.AbandonedShare = &share
		}
		out = append(out, stats)
	}
	return out, nil
}

// Agents gives what each agent does now, by name.
func (s Source) Agents(ctx context.Context) ([]connector.AgentNow, error) {
	agents, err := s.Live.Agents(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(agents, func(a, b connector.AgentNow) int {
		if a.Username != b.Username {
			return compareText(a.Username, b.Username)
		}
		return compareText(a.SIPID+a.AgentID, b.SIPID+b.AgentID)
	})
	return agents, nil
}

func compareText(a, b connector.Text) int {
	if len(a) != len(b) { // accounts are numbers: 9 before 10
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}
