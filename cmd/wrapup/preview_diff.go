package main

import "fmt"

const (
	// diffContext is how many lines are shown before and after a change.
	diffContext = 2
	// mostDiffed is the most lines that are compared one by one.
	mostDiffed = 1500
)

// diffLines gives the lines of both, those of the first alone after "-", those of the second alone after "+", and some that
// both have around them.
func diffLines(a, b []string) []string {
	if len(a) > mostDiffed || len(b) > mostDiffed {
		return []string{fmt.Sprintf("- %d lines", len(a)), fmt.Sprintf("+ %d lines, which are too many to compare", len(b))}
	}
	// common[i][j] is how many lines a[i:] and b[j:] have in common, in order.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines = append(lines, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, "- "+a[i])
			i++
		default:
			lines = append(lines, "+ "+b[j])
			j++
		}
	}
	return aroundChanges(lines)
}

// aroundChanges leaves out the lines that are far from any change.
func aroundChanges(lines []string) (out []string) {
	near := make([]bool, len(lines))
	for i, line := range lines {
		if line[0] != ' ' {
			for n := max(0, i-diffContext); n <= min(len(lines)-1, i+diffContext); n++ {
				near[n] = true
			}
		}
	}
	for i, line := range lines {
		switch {
		case near[i]:
			out = append(out, line)
		case i > 0 && near[i-1] || i == 0:
			out = append(out, "  …")
		}
	}
	return out
}
