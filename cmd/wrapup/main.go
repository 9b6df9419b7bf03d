// Command wrapup logs a call centre's calls in its CRM.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // mappings name time zones, also on machines that have none

	"wrapup/connector/admin"
	problem "wrapup/mappings/source"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := newRoot(system()).ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	var problems problem.Problems
	switch {
	case errors.Is(err, errReported):
	case errors.As(err, &problems):
		fmt.Fprintln(os.Stderr, escapedLines(problems.Detailed()))
	default:
		fmt.Fprintln(os.Stderr, "wrapup:", escapedLines(err.Error()))
	}
	os.Exit(exitCode(err))
}

// What the process exits with.
const (
	exitFailed = 1 // it was tried and failed, or what was checked is wrong
	exitUsage  = 2 // the command line is wrong
	exitUntold = 3 // nothing failed, but what was asked for could not be tried
)

// errReported says that what went wrong has been printed already.
var errReported = errors.New("reported")

// errUntested says that what was asked for could not be tried, which has been printed already.
var errUntested = fmt.Errorf("%w: untested", errReported)

// errMisused says that the command line is wrong, which has been printed already.
var errMisused = fmt.Errorf("%w: wrong command line", errReported)

// usageError is a command line that can't be meant.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	var bad admin.BadRequest
	if errors.As(err, &usage) || errors.As(err, &bad) || errors.Is(err, errMisused) || strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		return exitUsage
	}
	if errors.Is(err, errUntested) {
		return exitUntold
	}
	return exitFailed
}
