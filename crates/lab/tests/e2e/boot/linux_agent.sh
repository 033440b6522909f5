# Runs the extension handler of Azure's Linux agent as its daemon would, until it is ended.
set -eu

touch /var/lib/waagent/provisioned
# It looks for a new goal state more often than by default, and collects no logs.
sed -i 's/^Logs.Verbose=n/Logs.Verbose=y/; s/^Logs.Collect=y/Logs.Collect=n/' /etc/waagent.conf
echo "GoalState.InitialGoalStatePeriod=$1" >>/etc/waagent.conf
cat >/var/lib/waagent/ovf-env.xml <<'X'
<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:wa="http://schemas.microsoft.com/windowsazure">
  <wa:ProvisioningSection>
    <wa:Version>1.0</wa:Version>
    <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure">
      <HostName>vm</HostName>
      <UserName>azureuser</UserName>
      <DisableSshPasswordAuthentication>true</DisableSshPasswordAuthentication>
    </LinuxProvisioningConfigurationSet>
  </wa:ProvisioningSection>
</Environment>
X

# The handler ends at once unless its parent is the daemon of this file.
printf %s $$ >/run/waagent.pid
/usr/sbin/waagent -run-exthandlers &
handler=$!
trap 'kill $handler' TERM
wait $handler || wait $handler
