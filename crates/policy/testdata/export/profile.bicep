@description('The gallery, which must be there.')
param galleryName string = 'my_gallery'

@description('The name of the profile.')
param profileName string = 'imds-linux'

@description('The version of the profile: three numbers. For each change make a new one.')
param profileVersion string = '1.0.0'

@description('Where the profile is stored.')
param location string = 'westeurope'

resource gallery 'Microsoft.Compute/galleries@2024-03-03' existing = {
  name: galleryName
}

resource profile 'Microsoft.Compute/galleries/inVMAccessControlProfiles@2024-03-03' = {
  parent: gallery
  name: profileName
  location: location
  properties: {
    osType: 'Linux'
    applicableHostEndpoint: 'IMDS'
  }
}

resource version 'Microsoft.Compute/galleries/inVMAccessControlProfiles/versions@2024-03-03' = {
  parent: profile
  name: profileVersion
  location: location
  properties: {
    mode: 'Enforce'
    defaultAccess: 'Deny'
    rules: {
      privileges: [
        {
          name: 'instance'
          path: '/metadata/instance'
        }
        {
          name: 'token for \'\${vault}\''
          path: '/metadata/identity/oauth2-token/'
          queryParameters: {
            'api-version': '2018-02-01'
            resource: 'https://vault.azure.net'
          }
        }
      ]
      roles: [
        {
          name: 'reader'
          privileges: [
            'instance'
          ]
        }
        {
          name: 'vault'
          privileges: [
            'token for \'\${vault}\''
          ]
        }
      ]
      identities: [
        {
          name: 'backup'
          userName: 'backup'
          exePath: '/usr/bin/backup'
        }
        {
          name: 'a "quoted" %{if} \\ name'
          groupName: 'ops'
        }
      ]
      roleAssignments: [
        {
          role: 'reader'
          identities: [
            'backup'
            'a "quoted" %{if} \\ name'
          ]
        }
        {
          role: 'vault'
          identities: [
            'backup'
          ]
        }
      ]
    }
    targetLocations: [
      {
        name: location
      }
    ]
    excludeFromLatest: false
  }
}

@description('What the setting inVMAccessControlProfileReferenceId of a machine names.')
output versionId string = version.id
