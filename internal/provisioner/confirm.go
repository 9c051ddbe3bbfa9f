// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const (
	employeeNumber = scim.EnterpriseUserSchemaID + ":employeeNumber"
	// maxMessageID is the largest id in bytes that a message names.
	maxMessageID = 128
)

// names reports whether an annotation names an account or group of an app: a list of <app>/<remoteID>, separated by commas.
func names(annotation, app, remoteID string) bool {
	want := app + "/" + remoteID
	if remoteID == "" {
		return false
	}
	return strings.TrimSpace(annotation) == want || slices.ContainsFunc(strings.Split(annotation, ","), func(entry string) bool { return strings.TrimSpace(entry) == want })
}

// OpenConfirmations returns an annotation without the entries that nothing waits for. A confirmation is for one event: if it stayed, it would count for a later one, too.
func OpenConfirmations(annotation string, waits func(app, remoteID string) bool) string {
	waiting := func(entry string) bool {
		app, remoteID, _ := strings.Cut(strings.TrimSpace(entry), "/")
		return waits(app, remoteID)
	}
	if waiting(annotation) {
		// The id may have a comma.
		return annotation
	}
	return strings.Join(slices.DeleteFunc(strings.Split(annotation, ","), func(entry string) bool { return !waiting(entry) }), ",")
}

// annotate is the command by which a person confirms something of an account or group. An id that may be an e-mail address is not written out.
func annotate(kind, object, annotation, app, remoteID string) string {
	if strings.Contains(remoteID, "@") || len(remoteID) > maxMessageID {
		remoteID = "<its id in the app>"
	}
	return fmt.Sprintf("kubectl annotate %s %s --overwrite '%s=%s/%s'", kind, object, annotation, app, remoteID)
}

// absenceConfirmed reports whether a person has confirmed that the app does not have the account, after it was shown as not proven.
func (c *accountCall) absenceConfirmed(id string) bool {
	return c.Recorded.Reason == v1alpha1.ReasonAbsenceUnproven && names(c.view.User.Annotations[v1alpha1.AnnotationConfirmAbsence], c.AppName, id)
}

// absenceConfirmed is the same for a group.
func (c *groupCall) absenceConfirmed(id string) bool {
	return c.Entry.Reason == v1alpha1.ReasonAbsenceUnproven && names(c.view.Group.Annotations[v1alpha1.AnnotationConfirmAbsence], c.AppName, id)
}

// refusal is why an account that was found is not linked, if so.
func (c *accountCall) refusal(found *connector.User) (reason, message string) {
	adoption := c.App.Object.Spec.Adoption
	switch {
	case c.App.Protected(found.UserName):
		return v1alpha1.ReasonAccountProtected, messageProtected
	case c.mine(found), c.provisioned(found):
		return "", ""
	case adoption == v1alpha1.AdoptionNever:
		return v1alpha1.ReasonAccountConflict, "the app has an account of this name that the operator did not create, and spec.adoption of the ScimApp is " +
			"Never; set it to Link or Confirm, or remove the account in the app"
	case names(c.view.User.Annotations[v1alpha1.AnnotationConfirmAccount], c.AppName, found.ID):
		return "", ""
	case adoption == v1alpha1.AdoptionConfirm:
		return c.unconfirmed(found, "the app has an account of this user, and spec.adoption of the ScimApp is Confirm")
	case !c.named(found) && c.differs(found):
		return c.unconfirmed(found, "the app has an account of this e-mail address with another userName, and another externalId or employee number")
	case found.ActiveShown && !found.Active && !c.App.Profile.SameRecord && c.differs(found):
		return c.unconfirmed(found, "the app has an inactive account of this name with another externalId or employee number: it may be that of a former person of the same address")
	default:
		return "", ""
	}
}

// unconfirmed is the refusal of an account that waits for a person.
func (c *accountCall) unconfirmed(found *connector.User, what string) (reason, message string) {
	return v1alpha1.ReasonAdoptionUnconfirmed, what + ". If it is this user's, link it: " +
		annotate("scimuser", c.user.Name, v1alpha1.AnnotationConfirmAccount, c.AppName, found.ID) + "; else rename or delete it in the app"
}

// externalID is what an account of this user has as externalId, empty where that is not known.
func (c *accountCall) externalID() string {
	if mapped, ok := c.Desired.Values["externalId"]; ok {
		text, _ := mapped.(string)
		return text
	}
	if !c.App.Profile.KeepsExternalID {
		return ""
	}
	return c.view.User.SCIMID()
}

// foreign reports whether an account shows an externalId that is not this user's.
func (c *accountCall) foreign(user *connector.User) bool {
	own := c.externalID()
	return user.ExternalID != "" && own != "" && scim.Fold(user.ExternalID) != scim.Fold(connector.BoundText(own))
}

// differs reports whether the externalId or the employee number of an account says that it is another person's.
func (c *accountCall) differs(found *connector.User) bool {
	if c.foreign(found) {
		return true
	}
	mapped, _ := c.Desired.Values[employeeNumber].(string)
	value, _ := connector.Value(found.Attributes, employeeNumber)
	shown := ""
	if value != nil {
		shown = strings.TrimSpace(fmt.Sprint(value))
	}
	return mapped != "" && shown != "" && scim.Fold(shown) != scim.Fold(strings.TrimSpace(mapped))
}

// named reports whether an account has the user's own name.
func (c *accountCall) named(found *connector.User) bool {
	userName, ok := c.Desired.Values["userName"].(string)
	return !ok || scim.Fold(found.UserName) == scim.Fold(connector.BoundText(userName))
}

// provisioned reports whether the status says that this user had an account, in an app that keeps no externalId to tell whose one is.
func (c *accountCall) provisioned(found *connector.User) bool {
	return c.Recorded.ProvisionedTime != nil && found.ExternalID == "" && !c.App.Profile.KeepsExternalID
}
