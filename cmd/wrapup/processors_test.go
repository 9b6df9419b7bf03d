package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProcessorsAreAddedUnlessToldOtherwise(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Setenv("GOMAXPROCS", "")
	release := addProcessors()
	assert.Equal(t, before+spareProcessors, runtime.GOMAXPROCS(0))
	release()
	assert.Equal(t, before, runtime.GOMAXPROCS(0))

	t.Setenv("GOMAXPROCS", "1")
	release = addProcessors()
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
	release()
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
}
