package main

import (
	"errors"
	"fmt"
	"strconv"

	"deliver/config"
	"deliver/plan"
)

// planned turns the settings that belong to the plan package into its terms.
// The error names each that is wrong and who gave it.
func planned(c *config.Config) (plan.Order, plan.Limits, error) {
	var wrong []error
	check := func(name string, err error) { wrong = append(wrong, c.Value(name).Blame(err)) }
	order := plan.Order{Pause: c.Pause}
	limits := plan.Limits{}
	var err error
	order.Mode, err = plan.ParseMode(c.Order)
	check("ORDER", err)
	order.Batch, err = plan.ParseSizes(c.Batch)
	check("BATCH", err)
	order.Canary, err = parseCanary(c.Canary)
	check("CANARY", err)
	limits.MaxFailures, err = plan.ParseAmount(c.MaxFailures)
	check("MAX_FAILURES", err)
	limits.MaxUnreachable, err = plan.ParseAmount(c.MaxUnreachable)
	check("MAX_UNREACHABLE", err)
	limits.MaxShrink, err = plan.ParseAmount(c.MaxShrink)
	check("MAX_SHRINK", err)
	limits.OnFailure, err = plan.ParseOnFailure(c.OnFailure)
	check("ON_FAILURE", err)
	if err := errors.Join(wrong...); err != nil {
		return plan.Order{}, plan.Limits{}, withCode(exitUsage, err)
	}
	return order, limits, withCode(exitUsage, errors.Join(order.Validate(), limits.Validate()))
}

func parseCanary(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of hosts", text)
	}
	return n, nil
}
