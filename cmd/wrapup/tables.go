package main

import (
	"context"
	"time"

	"wrapup/configs"
)

// tableInterval is how often the files of tables are looked at.
const tableInterval = time.Second

// watchTables takes the tables of mappings into use as their files change, until ctx ends.
func (d *daemon) watchTables(ctx context.Context) error {
	tick := time.NewTicker(tableInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			d.changing.Lock() // a reload brings tables and mappings of its own
			for _, change := range d.parts.tables.Look(now) {
				d.takeTables(change)
			}
			d.changing.Unlock()
		}
	}
}

func (d *daemon) takeTables(change configs.TableChange) {
	for _, p := range change.Problems {
		if p.Warning {
			d.log.Warn("a table is doubtful", "destination", change.Destination, "problem", p.String())
		} else {
			d.log.Error("a changed table can't be used; the one before stays in use", "destination", change.Destination, "problem", p.String())
		}
	}
	if change.Mapping == nil {
		return
	}
	d.parts.fleet.setMapping(change.Destination, change.Mapping)
	d.log.Info("changed tables are in use", "destination", change.Destination)
}
