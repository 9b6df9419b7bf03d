package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"go.yaml.in/yaml/v4"

	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

// readAnswers reads what the CRM is to answer.
func readAnswers(file string) ([]mappings.Answer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []any
	if err := yaml.Load(content, &list); err != nil {
		return nil, fmt.Errorf("%s: expected a list of answers such as - {status: 200, body: {id: 7}}", file)
	}
	answers := make([]mappings.Answer, len(list))
	for i, given := range list {
		if answers[i], err = parseAnswer(given); err != nil {
			return nil, fmt.Errorf("%s: answer %d: %w", file, i+1, err)
		}
	}
	return answers, nil
}

// parseAnswer reads one answer. One that says nothing is one that never came.
func parseAnswer(given any) (mappings.Answer, error) {
	a := mappings.Answer{Header: http.Header{}}
	fields, ok := given.(map[string]any)
	if !ok {
		return a, errors.New("expected status, headers, body or text")
	}
	for name, v := range fields {
		switch name {
		case "status":
			if a.Status, ok = v.(int); !ok || a.Status < 100 || a.Status > 599 {
				return a, fmt.Errorf("status %v: expected a number from 100 to 599", v)
			}
		case "headers":
			headers, ok := v.(map[string]any)
			if !ok {
				return a, errors.New("headers: expected names and values")
			}
			for name, value := range headers {
				a.Header.Set(name, fmt.Sprint(value))
			}
		case "text":
			a.Body = fmt.Append(nil, v)
		case "body":
			body, err := json.Marshal(v)
			if err != nil {
				return a, fmt.Errorf("body: can't be written as JSON: %w", err)
			}
			a.Body = body
		default:
			return a, fmt.Errorf("unknown key %q%s", name, problem.Suggest(name, []string{"status", "headers", "body", "text"}))
		}
	}
	if a.Status == 0 && len(fields) > 0 {
		return a, errors.New("status is missing (an answer that never came is {})")
	}
	return a, nil
}
