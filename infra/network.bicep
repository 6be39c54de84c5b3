// Lifetime: that of the resource group. An app cannot move to a subnet that another plan still uses.
// Role: the network that both apps call from, and the DNS zones of the resources that are closed to other networks.
// Grants nothing: an app in the network still needs a role.
// Reason: Flex Consumption takes a whole subnet for each app. Each private endpoint needs a zone, and each zone a link to
// the network. Otherwise the name leads to the public address, which is closed.

@export()
@description('The place of one app and of its private endpoints in the network.')
type place = {
  @description('The virtual network.')
  network: string

  @description('The subnet that the app calls from. No other app uses it.')
  subnet: string

  @description('The subnet of the private endpoints.')
  endpointSubnet: string

  @description('The DNS zone of private endpoints for blobs.')
  blobZone: string

  @description('The DNS zone of private endpoints for apps, when the app can be called from the network alone.')
  siteZone: string?
}

@description('The name of the virtual network.')
param name string

@description('The addresses of the network, in CIDR notation: a /24 or larger.')
param addressPrefix string

@description('The names of the subnets of the apps. Letters, digits and hyphens: Flex Consumption takes no underscore.')
param appSubnetNames string[]

@description('The name of the subnet of the private endpoints.')
param endpointSubnetName string

@description('The DNS zones of the private endpoints, one for each kind.')
param zoneNames string[]

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

// 64 addresses each. Flex Consumption asks for 32 or more.
var subnetSize = 26
var subnetNames = concat(appSubnetNames, [endpointSubnetName])

resource network 'Microsoft.Network/virtualNetworks@2026-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      for (subnetName, index) in subnetNames: {
        name: subnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, subnetSize, index)
          delegations: subnetName == endpointSubnetName
            ? []
            : [
                {
                  name: 'flex'
                  properties: {
                    serviceName: 'Microsoft.App/environments'
                  }
                }
              ]
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zoneName in zoneNames: {
    name: zoneName
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zoneName, index) in zoneNames: {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]
