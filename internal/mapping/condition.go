// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// conditionCostLimit bounds one evaluation of a condition. It is lower than that of an attribute, because a change of a condition evaluates it for every user of
// the directory: a look through as many roles as a user can have (1,024) stays well below it, one through each pair of them does not.
const conditionCostLimit = 20_000

const notBoolean = "the expression is neither true nor false"

// Condition is an expression that is true for some users. It does not change and may be used by many goroutines.
type Condition struct {
	program cel.Program
}

// CompileCondition checks and compiles an expression that is true or false, in the language of attributes. The error names the position (line:column) and the
// reason.
func CompileCondition(expression string) (*Condition, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("setting up CEL: %w", err)
	}
	program, err := remembered.of(memoKey{expression: expression, condition: true}, func() (cel.Program, error) {
		checked, err := check(env, expression)
		if err != nil {
			return nil, err
		}
		if result := checked.OutputType(); !result.IsExactType(cel.BoolType) && !result.IsExactType(cel.DynType) {
			return nil, fmt.Errorf("1:1: %s: it gives %s", notBoolean, result)
		}
		return programOf(env, checked, conditionCostLimit)
	})
	if err != nil {
		return nil, err
	}
	return &Condition{program: program}, nil
}

// Holds is whether the condition is true for a user, given as for Program.Eval. It is not where it asks for what the user does not have. problem says why it
// could not be found out, and holds nothing of the user; the condition does not hold then.
func (c *Condition) Holds(user map[string]any) (holds bool, problem string) {
	out, _, err := c.program.Eval(map[string]any{"user": user})
	switch {
	case err != nil && absent(err):
		return false, ""
	case err != nil:
		return false, explain(err)
	}
	switch value := out.(type) {
	case types.Bool:
		return bool(value), ""
	case types.Null:
		return false, ""
	}
	return false, notBoolean
}

// check parses and checks an expression.
func check(env *cel.Env, expression string) (*cel.Ast, error) {
	checked, issues := env.Compile(expression)
	if issues.Err() == nil {
		return checked, nil
	}
	first := issues.Errors()[0]
	return nil, fmt.Errorf("%d:%d: %s", first.Location.Line(), first.Location.Column()+1, oneLine(first.Message))
}

// programOf makes an expression ready to be evaluated. What of it is constant is evaluated here, so that an error in it may show now.
func programOf(env *cel.Env, checked *cel.Ast, cost uint64) (cel.Program, error) {
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(cost), cel.CostTracking(stringCosts{}))
	if err != nil {
		return nil, errors.New(oneLine(strings.TrimSpace(err.Error())))
	}
	return program, nil
}
