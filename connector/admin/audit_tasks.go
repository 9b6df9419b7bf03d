package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"wrapup/connector"
	"wrapup/outbox"
)

// A delivery that isn't over stands in its queue, due or buried. One that doesn't is counted as waiting and never sent, and no
// list shows it: the sum would hold, and the call would be lost. Only a bug or a damaged disk can do that.

// pending is a delivery that isn't over.
type pending struct {
	ref         outbox.Ref
	destination string
}

// strays counts the pending deliveries that stand in no queue, by destination, and names a call of each.
func (r *recount) strays(ctx context.Context) (gaps []string, err error) {
	open := map[string]map[outbox.Ref]bool{}
	for _, p := range r.total.open {
		if open[p.destination] == nil {
			open[p.destination] = map[outbox.Ref]bool{}
		}
		open[p.destination][p.ref] = true
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		refs := open[name]
		for _, buried := range []bool{true, false} {
			if err := r.queued(ctx, name, buried, refs); err != nil {
				return nil, err
			}
		}
		n, first := 0, ""
		for _, ref := range slices.SortedFunc(maps.Keys(refs), func(a, b outbox.Ref) int { return cmp.Compare(a.Seq, b.Seq) }) {
			id, stray, err := r.stray(ctx, name, ref)
			if err != nil {
				return nil, err
			}
			if stray {
				n++
				first = cmp.Or(first, id)
			}
		}
		if n > 0 {
			gaps = append(gaps, fmt.Sprintf("%s: %d deliveries that are not over stand in no queue, so nothing will come of them: that of call %s is one", name, n, first))
		}
	}
	return gaps, nil
}

// queued takes out of refs what stands in the queue.
func (r *recount) queued(ctx context.Context, queue string, buried bool, refs map[outbox.Ref]bool) error {
	var after outbox.Key
	for len(refs) > 0 {
		tasks, err := r.Store.Tasks(ctx, queue, buried, after, tasksPage)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) { // a damaged task is none
			return err
		}
		if len(tasks) == 0 {
			return nil
		}
		for _, t := range tasks {
			delete(refs, t.Ref)
			after = t.Key
		}
	}
	return nil
}

// stray looks again: the delivery may be over by now.
func (r *recount) stray(ctx context.Context, destination string, ref outbox.Ref) (call string, yes bool, err error) {
	e, err := r.Store.Entry(ctx, ref)
	if err != nil {
		return "", false, err
	}
	d, err := connector.DecodeDelivery(e.Row(destination).Body)
	if err != nil {
		return e.ID, true, nil //nolint:nilerr // nobody can say of it that it is over
	}
	return e.ID, !over(d.State), nil
}

// over says that nothing is left to be done of a delivery in that state.
func over(s connector.DeliveryState) bool {
	return s == connector.DeliveryDone || s == connector.DeliverySkipped || s == connector.DeliveryDropped || s == connector.DeliveryErased
}
