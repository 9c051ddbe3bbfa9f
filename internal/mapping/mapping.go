// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mapping computes the attributes of an account from those of a user, by expressions in CEL over the variable user. It is pure.
//
// user is the SCIM user as a JSON object, so user.name.givenName, user.emails[0].value and user["urn:..."].department are what they look like. An expression that
// gives null, "", [] or {}, or that asks for what the user does not have, gives no value. Beside CEL's own functions and macros there are the string functions of
// CEL's strings extension (strings.go).
package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// costLimit bounds one evaluation, in CEL's units: about a hundred times what a profile's largest expression takes for a user with ten addresses, and some
// milliseconds.
const costLimit = 100_000

// Attribute is how one attribute of an account is computed.
type Attribute struct {
	// Name is the SCIM path in the app.
	Name string
	// Expression in CEL.
	Expression string
}

// Program is compiled expressions. It does not change and may be used by many goroutines.
type Program struct {
	attributes []compiled
}

type compiled struct {
	name    string
	program cel.Program
}

// environment is what expressions may use. Making it takes longer than compiling an expression.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("user", cel.MapType(cel.StringType, cel.DynType)),
		cel.DefaultUTCTimeZone(true),
		cel.ParserRecursionLimit(100),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(4), cel.ValidateRegexLiterals()),
		cel.Macros(cel.GlobalMacro(operators.Conditional, 3, nullInConditional)),
		stringFunctions(),
	)
})

// nullInConditional lets null stand in a conditional beside a value of any type, because null is how an expression says that there is no value. CEL would have
// both sides of one type.
func nullInConditional(factory cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	found := false
	for _, i := range []int{1, 2} {
		if args[i].Kind() == ast.LiteralKind && args[i].AsLiteral() == types.NullValue {
			args[i], found = factory.NewCall("dyn", args[i]), true
		}
	}
	if !found {
		return nil, nil
	}
	return factory.NewCall(operators.Conditional, args...), nil
}

// Compile checks and compiles expressions. Those that are wrong are left out of the program: broken are the names of their attributes, and the error names each with the
// position (line:column) and the reason.
func Compile(attributes []Attribute) (p *Program, broken []string, err error) {
	env, err := environment()
	if err != nil {
		return nil, nil, fmt.Errorf("setting up CEL: %w", err)
	}
	p = &Program{attributes: make([]compiled, 0, len(attributes))}
	var errs []error
	for _, a := range attributes {
		program, err := compile(env, a.Expression)
		if err != nil {
			broken, errs = append(broken, a.Name), append(errs, fmt.Errorf("attribute %q: %w", a.Name, err))
			continue
		}
		p.attributes = append(p.attributes, compiled{name: a.Name, program: program})
	}
	return p, broken, errors.Join(errs...)
}

func compile(env *cel.Env, expression string) (cel.Program, error) {
	return remembered.of(memoKey{expression: expression}, func() (cel.Program, error) {
		checked, err := check(env, expression)
		if err != nil {
			return nil, err
		}
		return programOf(env, checked, costLimit)
	})
}

// Only returns the program of some of the attributes.
func (p *Program) Only(names map[string]bool) *Program {
	return &Program{attributes: slices.DeleteFunc(slices.Clone(p.attributes), func(a compiled) bool { return !names[a.name] })}
}

// Eval computes the values, by attribute name, for a user given as JSON: strings, bools, numbers (any Go integer or float), []any and map[string]any. Values are
// string, bool, int64, float64, []any and map[string]any. problems says, by attribute name, why a value could not be computed; it holds nothing of the user.
func (p *Program) Eval(user map[string]any) (values map[string]any, problems map[string]string) {
	values, problems = make(map[string]any, len(p.attributes)), map[string]string{}
	input := map[string]any{"user": user}
	for _, a := range p.attributes {
		out, _, err := a.program.Eval(input)
		switch {
		case err != nil && absent(err):
		case err != nil:
			problems[a.name] = explain(err)
		default:
			value, err := toJSON(out)
			if err != nil {
				problems[a.name] = err.Error()
			} else if value != nil {
				values[a.name] = value
			}
		}
	}
	return values, problems
}

// Merge is the profile's mapping with a ScimApp's changes, in the profile's order: an entry replaces the one of the same name, whatever its letter case, or comes
// after all others; an empty expression takes the attribute out.
func Merge(profile []Attribute, overrides []v1alpha1.AttributeMapping) []Attribute {
	merged := slices.Clone(profile)
	for _, o := range overrides {
		same := func(a Attribute) bool { return strings.EqualFold(a.Name, o.Name) }
		i := slices.IndexFunc(merged, same)
		switch {
		case o.Expression == "":
			merged = slices.DeleteFunc(merged, same)
		case i >= 0:
			merged[i].Expression = o.Expression
		default:
			merged = append(merged, Attribute{Name: o.Name, Expression: o.Expression})
		}
	}
	return merged
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
