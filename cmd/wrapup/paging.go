package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// paging is where a list begins and ends. It is for lists that are short enough to be had at once.
type paging struct {
	limit int
	after string
}

func (p *paging) flags(c *cobra.Command) {
	c.Flags().IntVar(&p.limit, "limit", 0, "at most so `many`; 0 is all")
	c.Flags().StringVar(&p.after, "after", "", "go on after this `place`, which a list ended with")
}

func (p *paging) usage() error {
	if p.limit < 0 {
		return usageError{fmt.Errorf("--limit %d: expected at least 0", p.limit)}
	}
	return nil
}

// pageOf gives the part of a list that is asked for, and where it goes on, "" if it doesn't. key names each place.
func pageOf[T any](p *paging, list []T, key func(T) string) (part []T, next string, err error) {
	if p.after != "" {
		at := slices.IndexFunc(list, func(one T) bool { return key(one) == p.after })
		if at < 0 {
			return nil, "", fmt.Errorf("--after %s: the list has no such place (any more)", p.after)
		}
		list = list[at+1:]
	}
	if p.limit > 0 && len(list) > p.limit {
		list = list[:p.limit]
		next = key(list[len(list)-1])
	}
	return list, next, nil
}

// goOn says how the rest of a list is had.
func goOn(w io.Writer, next string) {
	if next != "" {
		fmt.Fprintf(w, "There may be more: go on with the same command and --after %s\n", next)
	}
}
