// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e installs the operator with Helm in a real cluster, as the README says, and sees what its users see: pods, Services, upgrades and failures, with identity
// providers that push without a pause. `make test-e2e` builds what it needs and starts it; docs/e2e.md says how.
package e2e

import (
	"os"
	"testing"
)

// settings come from hack/e2e/run, in variables of the environment.
type settings struct {
	// image and podImage are what the cluster runs: the operator, and test/e2e/pod.
	image, podImage string
	// previousImage and previousChart are those of the previous version; empty where there is none.
	previousImage, previousChart string
	// restartAPIServer is a command that does so; empty where nobody knows how.
	restartAPIServer string
}

func readSettings(t *testing.T) settings {
	t.Helper()
	if os.Getenv("E2E_IMAGE") == "" {
		t.Skip("needs a cluster: run make test-e2e")
	}
	return settings{
		image: os.Getenv("E2E_IMAGE"), podImage: os.Getenv("E2E_POD_IMAGE"),
		previousImage: os.Getenv("E2E_PREVIOUS_IMAGE"), previousChart: os.Getenv("E2E_PREVIOUS_CHART"),
		restartAPIServer: os.Getenv("E2E_RESTART_APISERVER"),
	}
}

// TestOnACluster is one installation and its life. Its steps need what those before them have made.
func TestOnACluster(t *testing.T) {
	w := newWorld(t, readSettings(t))
	for _, step := range []struct {
		name string
		run  func(testing.TB, *world)
	}{
		{"TheReadmeInstallsIt", testReadme},
		{"PodsServeOnlyWhenReady", testPods},
		{"AppsAndClientsStart", testTools},
		{"OktaSessionThroughTheService", testSession},
		{"MetricsAreForThoseWhoMay", testMetrics},
		{"ChangedValueUnderLoad", testChangedValue},
		{"RotatedCertificateWithoutRestart", testRotation},
		{"LeaderDeletedUnderLoad", testLeaderDeleted},
		{"AllPodsDeletedUnderLoad", testAllPodsDeleted},
		{"APIServerRestartedUnderLoad", testAPIServerRestarted},
		{"SecondInstallationIsRefused", testSecondInstallation},
		{"UninstallLeavesWhatTheDocsSay", testUninstall},
		{"OneNamespaceNeedsNoClusterRole", testOneNamespace},
		{"UpgradeFromPreviousVersionUnderLoad", testUpgradeFromPrevious},
		{"EverythingCanBeRemoved", testRemoval},
	} {
		if !t.Run(step.name, func(t *testing.T) { w.step(t, step.run) }) {
			return
		}
	}
}
